// What is closed to a mail because of what receivers have said, and by quiet hours. A lane or a netblock that is closed
// is left out of the choice, so the pool's other sources take the mail. A stream, tenant or domain that is held keeps
// the mail from leaving at all: what is said of it would be said of it by any other source. Half-open lanes are open to
// the choice, and their window is narrow; half-open streams and domains let a few mails go at a time.

import { viewGate, type GateView } from '@sluice/core/lane/gate'
import { scopeKey, scopesOf } from '@sluice/core/lane/scope'
import { anyProvider } from '@sluice/core/routing/table'
import type { HMail } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../candidate'
import { nothingClosed, type Closed, type Closure } from '../closure'
import type { Policy } from '../policy'
import type { Board } from './board'
import { Probes } from './probes'
import type { Senders } from './senders'

export interface HoldParts {
  readonly board: Board
  readonly senders: Senders
  readonly policy: () => Policy | undefined
}

/** A scope that all sources share for a mail, and how it stands. */
interface Held {
  readonly key: string
  readonly view: Exclude<GateView, { phase: 'open' }>
}

export class Holds implements Closure {
  readonly name = 'reaction'
  private readonly probes = new Probes()

  constructor(private readonly parts: HoldParts) {}

  closed(candidate: Candidate, now: number): Closed {
    if (this.allOpen) return nothingClosed
    if (this.hold(candidate, now)) return 'all'
    const { board } = this.parts
    let closed: Set<string> | undefined
    const close = (source: string): void => void (closed ??= new Set()).add(source)
    for (const [source, provider] of this.closedLanes(candidate, now)) if (this.isLane(source, provider)) close(source)
    if (!this.parts.policy()?.hasQuietHours) return closed ?? nothingClosed
    for (const [source, provider] of this.lanesOf(candidate)) {
      if (board.quietUntil(source, provider, now) !== undefined) close(source)
    }
    return closed ?? nothingClosed
  }

  opensAt(candidate: Candidate, now: number): number {
    if (this.allOpen) return Infinity
    const { board } = this.parts
    let soonest = Infinity
    for (const provider of [candidate.destination?.provider ?? '', anyProvider]) {
      for (const { gate } of board.gates.of(provider)?.values() ?? []) {
        const view = viewGate(gate, now)
        if (view.phase === 'closed') soonest = Math.min(soonest, view.until)
      }
    }
    for (const { key, view } of this.held(candidate, now)) {
      if (view.phase === 'half_open') soonest = Math.min(soonest, this.probes.opensAt(key))
    }
    if (!this.parts.policy()?.hasQuietHours) return soonest
    for (const [source, provider] of this.lanesOf(candidate)) {
      soonest = Math.min(soonest, board.quietUntil(source, provider, now) ?? Infinity)
    }
    return soonest
  }

  chosen(_source: string, candidate: Candidate, now: number): void {
    if (this.allOpen) return
    for (const { key } of this.held(candidate, now)) this.probes.take(key, candidate.hmail, now)
  }

  /** Whether a mail that was given this source may still leave by it: a lane may have been closed since. */
  stands(source: string, candidate: Candidate, now: number): boolean {
    const closed = this.closed(candidate, now)
    return closed !== 'all' && !closed.has(source)
  }

  /** What holds this mail and not others like it; empty where nothing does. */
  heldBy(candidate: Candidate, now: number): string {
    return this.hold(candidate, now)?.key ?? ''
  }

  /** An attempt is over. Says whether another mail may go now. */
  settled(hmail: HMail): boolean {
    return this.probes.free(hmail)
  }

  /** The usual case, and every mail asks. */
  private get allOpen(): boolean {
    return this.parts.board.gates.none && !this.parts.policy()?.hasQuietHours
  }

  private hold(candidate: Candidate, now: number): Held | undefined {
    for (const held of this.held(candidate, now)) {
      const { key, view } = held
      if (view.phase === 'closed' || !this.probes.admits(key, candidate.hmail, view.connections, now)) return held
    }
    return undefined
  }

  /** The mail's streams, tenants and domains that are not open. */
  private *held({ hmail, destination, stream }: Candidate, now: number): Iterable<Held> {
    const { board, senders, policy } = this.parts
    if (board.gates.none || !destination) return
    for (const provider of [destination.provider, anyProvider]) {
      const gated = board.gates.of(provider)
      if (!gated) continue
      // What a relay has said counts where the mail may go by a relay.
      if (provider === anyProvider && !policy()?.mayRelay(stream)) continue
      const sender = { ...senders.identityOf(hmail), source: '', provider }
      for (const scope of scopesOf(sender)) {
        const key = scopeKey(scope)
        const gate = gated.get(key)?.gate
        const view = gate && viewGate(gate, now)
        if (view && view.phase !== 'open') yield { key, view }
      }
    }
  }

  /** Sources that are closed for the mail's provider, or as relays, each with the provider of the lane. */
  private *closedLanes({ destination }: Candidate, now: number): Iterable<readonly [string, string]> {
    const { board } = this.parts
    if (board.gates.none || !destination) return
    for (const provider of [destination.provider, anyProvider]) {
      for (const { scope, gate } of board.gates.of(provider)?.values() ?? []) {
        if (scope.kind !== 'lane' && scope.kind !== 'netblock') continue
        if (viewGate(gate, now).phase !== 'closed') continue
        if (scope.kind === 'lane') yield [scope.name, provider]
        else for (const source of board.sourcesIn(scope.name)) yield [source, provider]
      }
    }
  }

  private isLane(source: string, provider: string): boolean {
    return (this.parts.policy()?.laneProvider(source, provider) ?? provider) === provider
  }

  private *lanesOf({ destination }: Candidate): Iterable<readonly [string, string]> {
    const policy = this.parts.policy()
    if (!policy || !destination) return
    for (const source of policy.sources) yield [source, policy.laneProvider(source, destination.provider)]
  }
}
