// What happened to an attempt becomes what the lanes do: refusals close, narrow or slow the scope they blame, at once
// and told at once; accepted messages bring it back. Before a rule closes a scope, all workers together are asked how
// many it has closed within the hour. Everything done is recorded as an action.

import type { Verdict } from '@sluice/core/bounce/verdict'
import type { LaneAction } from '@sluice/core/lane/action'
import { stepLane } from '@sluice/core/lane/lane'
import type { Incident } from '@sluice/core/lane/react'
import { limitsOfScope, respond, succeed, type Changes, type Refusals } from '@sluice/core/lane/respond'
import { laneOf, scopeKey, type Sender } from '@sluice/core/lane/scope'
import type { CompleteLimits } from '@sluice/core/shaping/limits'
import type { Attempt, Evidence, Settlement } from 'haraka-plugin-sluice-host'

import type { LaneLoad } from '../lane/ruling'
import type { LinkLog } from '../redis/link'
import type { Board } from './board'
import type { Claims } from './claims'
import { Meters } from './meters'
import type { Senders } from './senders'
import type { Teacher } from './teacher'

export interface ReactorParts {
  readonly board: Board
  readonly claims: Claims
  readonly teacher: Teacher
  readonly senders: Senders
  readonly log: LinkLog
  readonly verdictOf: (attempt: Attempt, evidence: Evidence, over: boolean) => Verdict
  readonly limitsOf: (source: string, provider: string) => CompleteLimits
  /** By lane key. */
  readonly loadOf: (lane: string) => LaneLoad
  /** ms since 1970 */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly dice: () => number
}

/** A refusal, and who was refused. */
interface Seen {
  readonly evidence: Evidence
  readonly over: boolean
  readonly recipient?: string
}

/** Phases at which a connection has not carried anything yet. */
const greeting: ReadonlySet<string> = new Set(['connect', 'banner', 'ehlo', 'starttls', 'tls', 'auth'])

export class Reactor {
  /** One evidence may stand for many recipients, and is told when a host has failed and again at the end. */
  private readonly judged = new WeakSet<Evidence>()
  private readonly meters = new Meters()

  constructor(private readonly parts: ReactorParts) {}

  /** A host has failed, and the attempt goes on to the next one. */
  tried(attempt: Attempt, evidence: Evidence): void {
    this.refused(attempt, [{ evidence, over: false }], false)
  }

  settled({ attempt, recipients, tries }: Settlement): void {
    this.refused(
      attempt,
      tries.map((evidence) => ({ evidence, over: false })),
      false,
    )
    const refusals = recipients.filter(({ kind }) => kind === 'deferred' || kind === 'bounced')
    this.refused(
      attempt,
      refusals.map(({ evidence, kind, address }) => ({ evidence, over: kind === 'bounced', recipient: address })),
      true,
    )
    const delivered = recipients.find(({ kind }) => kind === 'delivered')
    if (delivered) this.accepted(attempt, delivered.evidence)
    else if (recipients.some(({ evidence }) => evidence.code > 0 && !greeting.has(evidence.phase))) {
      this.connected(attempt)
    }
  }

  /** @param last nobody was reached by another host afterwards: a failure to connect counts */
  private refused(attempt: Attempt, seen: readonly Seen[], last: boolean): void {
    const { route } = attempt
    if (!route || seen.length === 0) return
    const { now, dice, limitsOf, verdictOf } = this.parts
    const at = now()
    const incidents: Incident[] = []
    let provider = ''
    for (const { evidence, over, recipient } of seen) {
      if (this.judged.has(evidence)) continue
      this.judged.add(evidence)
      const verdict = verdictOf(attempt, evidence, over)
      const sender = this.parts.senders.of(attempt.hmail, route.source, route.provider, evidence.local_ip)
      provider = sender.provider
      if (isNoAnswer(verdict, evidence) && (!last || this.parts.senders.isRelay(route.source))) continue
      incidents.push({ ...sender, recipient, verdict, phase: evidence.phase, at, outcome: attempt.id })
    }
    if (incidents.length === 0) return
    void this.react({
      incidents,
      at,
      started: attempt.started,
      load: this.loadOf(route.lane, at),
      dice: dice(),
      limits: limitsOf(route.source, provider),
    })
  }

  private async react(refusals: Refusals): Promise<void> {
    const { board, claims } = this.parts
    const judge = (): Changes =>
      respond(
        {
          stateOf: (key) => board.stateOf(key),
          actionOf: (key, kind) => board.actionOf(key, kind),
          guard: claims.guard,
        },
        refusals,
      )
    let changes = judge()
    const closings = changes.actions.filter((one) => isClosing(one) && !claims.has(one, refusals.at))
    if (closings.length > 0) {
      await claims.ask(closings, refusals.at, refusals.limits.reaction.lanes_per_rule)
      changes = judge()
    }
    claims.guard = changes.guard
    const urgent = changes.actions.length > 0
    for (const [key, state] of changes.states) this.parts.teacher.state(key, state, urgent)
    for (const action of changes.actions) this.record(action)
  }

  private record(action: LaneAction): void {
    const { teacher, log } = this.parts
    const isNew = action.count === 1
    teacher.action(action, isNew)
    if (isNew && (isClosing(action) || action.kind === 'withheld')) log.notice(sayAction(action))
  }

  private accepted(attempt: Attempt, evidence: Evidence): void {
    const { route, hmail, started } = attempt
    const { board, teacher, senders, limitsOf, now } = this.parts
    if (!route) return
    const at = now()
    this.meters.accepted(route.lane, at)
    if (board.isBlank) return
    const sender = senders.of(hmail, route.source, route.provider, evidence.local_ip)
    const limits = limitsOf(route.source, sender.provider)
    const load = this.loadOf(route.lane, at)
    const changed = succeed((key) => board.stateOf(key), { sender, started, at, load, limits })
    for (const [key, state] of changed) teacher.state(key, state, false)
  }

  private loadOf(lane: string, now: number): LaneLoad {
    const load = this.parts.loadOf(lane)
    return { ...load, minute: Math.max(load.minute, this.meters.minuteOf(lane, now)) }
  }

  /** The receiver talked to us: its answer was no, but the way there is sound. */
  private connected({ route, hmail, started }: Attempt): void {
    const { board, teacher, senders, limitsOf, now } = this.parts
    if (!route || board.isBlank) return
    const sender: Sender = senders.of(hmail, route.source, route.provider, '')
    const lane = laneOf(sender)
    const state = board.stateOf(scopeKey(lane))
    if (!state || (state.breaker.failures === 0 && state.breaker.tries === 0)) return
    const limits = limitsOfScope('lane', limitsOf(route.source, sender.provider))
    teacher.state(scopeKey(lane), stepLane(state, { kind: 'connected', at: now(), started }, limits), false)
  }
}

/** What only the circuit breaker is for; another host of the same attempt may do. A relay has a breaker of its own. */
const isNoAnswer = ({ class: name, blame, action }: Verdict, { phase }: Evidence): boolean =>
  greeting.has(phase) &&
  action !== 'fewer_connections' &&
  (blame === 'receiver' || blame === 'connection' || name === 'connection_failure' || name === 'tls_failure')

const isClosing = ({ kind }: LaneAction): boolean => kind === 'close' || kind === 'hold'

const sayAction = ({ id, kind, scope, reason, until }: LaneAction): string => {
  const who = `${scope.kind} ${scope.name} at ${scope.provider}`
  if (kind === 'withheld') return `${who} is left open: the rule has closed too many within the hour (${reason}; ${id})`
  return `${who} is closed until ${new Date(until).toISOString()}: ${reason} (${id})`
}
