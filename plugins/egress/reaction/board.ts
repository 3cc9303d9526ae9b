// What this worker knows of all scopes (lanes, netblocks, identities, streams, tenants), kept in step with the other
// workers through Redis, and what follows for a lane: its limits, how wide and how fast it may be now, whether it is
// closed. Time alone changes nothing here: a view is asked for at a moment, and says until when it holds.

import { isLive, type ActionKind, type LaneAction } from '@sluice/core/lane/action'
import { openLane, viewLane, type LaneState, type LaneView } from '@sluice/core/lane/lane'
import { readScopeKey, scopeKey, type Scope } from '@sluice/core/lane/scope'
import type { CompleteLimits } from '@sluice/core/shaping/limits'
import { laneKey } from 'haraka-plugin-sluice-host'

import type { LaneName, Ruling, Rulings } from '../lane/ruling'
import { Gates } from './gates'
import { Netblocks, type SourceAddresses } from './netblocks'
import { QuietHours } from './quiet'
import type { SharedMap } from './shared-map'

export interface BoardParts {
  readonly states: SharedMap<LaneState>
  readonly actions: SharedMap<LaneAction>
  /** Limits of a lane as configured. */
  readonly limitsOf: (source: string, provider: string) => CompleteLimits
  /** ms since 1970 */
  readonly now: () => number
}

export interface GateListener {
  /** Mail that waits for it has to look for another way, or to wait elsewhere. */
  closed(scope: Scope): void
  /** Mail may go that could not. */
  opened(scope: Scope): void
}

export class Board implements Rulings {
  readonly gates = new Gates()
  private readonly quiet = new QuietHours()
  private netblocks = new Netblocks({ sources: new Set(), addressesOf: () => [] })
  private readonly open = new WeakMap<CompleteLimits, Ruling>()
  private readonly laneListeners: ((lane: string) => void)[] = []
  private readonly gateListeners: GateListener[] = []
  /** Scope key and kind -> id of the last action. */
  private readonly last = new Map<string, string>()
  private readonly undone = new Set<string>()

  constructor(private readonly parts: BoardParts) {
    parts.states.onChange((key, state) => this.changed(key, state))
    parts.actions.onChange((id, action) => this.recorded(id, action))
  }

  /** Sources are others than before. */
  useSources(addresses: SourceAddresses): void {
    this.netblocks = new Netblocks(addresses)
  }

  onChange(listener: (lane: string) => void): void {
    this.laneListeners.push(listener)
  }

  onGate(listener: GateListener): void {
    this.gateListeners.push(listener)
  }

  /** Nothing is known of any scope: all are open. */
  get isBlank(): boolean {
    return this.parts.states.size === 0
  }

  stateOf(scope: string): LaneState | undefined {
    return this.parts.states.get(scope)
  }

  /** The last action of this kind at a scope, if it still lasts. */
  actionOf(scope: string, kind: ActionKind): LaneAction | undefined {
    const id = this.last.get(`${kind} ${scope}`)
    const action = id === undefined || this.undone.has(id) ? undefined : this.parts.actions.get(id)
    return action && isLive(action, this.parts.now()) ? action : undefined
  }

  /** The action is not to be confirmed any more. */
  markUndone(id: string): void {
    this.undone.add(id)
  }

  rulingOf({ source, provider }: LaneName, now: number): Ruling {
    const limits = this.parts.limitsOf(source, provider)
    const state = this.parts.states.size === 0 ? undefined : this.parts.states.get(laneScopeKey(source, provider))
    const whole = this.gates.none ? undefined : this.wholeOf(source, provider, now)
    const quiet = this.quiet.until(limits.quiet_hours, now)
    if (!state && !whole && quiet === undefined) return this.openRuling(limits)
    let view = viewLane(state ?? openLane, limits, now)
    if (whole) view = narrower(view, whole)
    if (quiet !== undefined) view = narrower(view, { phase: view.phase, connections: 0, until: quiet })
    return { limits, view }
  }

  /** ms since 1970 until which the lane is quiet at `now`; undefined where it is not. */
  quietUntil(source: string, provider: string, now: number): number | undefined {
    return this.quiet.until(this.parts.limitsOf(source, provider).quiet_hours, now)
  }

  /** Sources whose netblock this is. */
  sourcesIn(netblock: string): readonly string[] {
    return this.netblocks.sourcesIn(netblock)
  }

  private openRuling(limits: CompleteLimits): Ruling {
    const known = this.open.get(limits)
    if (known) return known
    // An open lane's view does not depend on the time.
    const ruling = { limits, view: viewLane(openLane, limits, 0) }
    this.open.set(limits, ruling)
    return ruling
  }

  /** What closes or narrows the lane because of its netblock; half-open, each of its sources tries for itself. */
  private wholeOf(source: string, provider: string, now: number): Narrowing | undefined {
    let narrowest: Narrowing | undefined
    for (const netblock of this.netblocks.of(source)) {
      const view = this.gates.viewOf(provider, scopeKey({ kind: 'netblock', name: netblock, provider }), now)
      if (view.phase === 'open') continue
      const among = this.netblocks.sourcesIn(netblock).length
      const one: Narrowing =
        view.phase === 'closed'
          ? { phase: view.phase, connections: 0, until: view.until, action: view.action }
          : { phase: view.phase, connections: Math.max(1, Math.floor(view.connections / among)), action: view.action }
      narrowest = narrowest ? narrower(narrowest, one) : one
    }
    return narrowest
  }

  private changed(key: string, state: LaneState | undefined): void {
    const change = this.gates.change(key, state)
    for (const lane of this.lanesOf(key)) for (const listener of this.laneListeners) listener(lane)
    if (change === 'none') return
    const scope = readScopeKey(key)
    if (scope) for (const listener of this.gateListeners) listener[change](scope)
  }

  private *lanesOf(key: string): Iterable<string> {
    const scope = readScopeKey(key)
    if (scope?.kind === 'lane') yield laneKey(scope.name, scope.provider)
    if (scope?.kind !== 'netblock') return
    for (const source of this.netblocks.sourcesIn(scope.name)) yield laneKey(source, scope.provider)
  }

  private recorded(id: string, action: LaneAction | undefined): void {
    if (!action) {
      this.undone.delete(id)
      return
    }
    const key = `${action.kind} ${scopeKey(action.scope)}`
    const before = this.parts.actions.get(this.last.get(key) ?? '')
    if (before && before.since > action.since) return
    this.last.set(key, id)
    if (this.last.size > 2 * this.parts.actions.size + slack) this.tidy()
  }

  /** Forgets what the log has forgotten. */
  private tidy(): void {
    for (const [key, id] of this.last) if (!this.parts.actions.get(id)) this.last.delete(key)
  }
}

const slack = 100

type Narrowing = Omit<LaneView, 'message_rate'>

/** The one that lets less through; both closed: the one that is closed longer. */
const narrower = <T extends Narrowing>(view: T, other: Narrowing): T => {
  const less =
    other.connections < view.connections || (other.connections === 0 && (other.until ?? 0) > (view.until ?? 0))
  return less ? { ...view, ...other } : view
}

const laneScopeKey = (name: string, provider: string): string => scopeKey({ kind: 'lane', name, provider })
