// All that one attempt changes, in one step: which scopes, to which state, and the records of it. The caller keeps the
// states (in memory, in Redis) and stores what comes back.

import { kindOfEffect, mayClose, recordAction, type ActionKind, type CloseGuard, type LaneAction } from './action'
import { openLane, stepLane, viewLane, type LaneLimits, type LaneState, type Load } from './lane'
import { mergeEffects, react, type Effect, type Incident } from './react'
import { blamedScope, scopeKey, scopesOf, type ScopeKind, type Sender } from './scope'

export interface Board {
  /** State of a scope by its key; undefined where nothing is known of it. */
  readonly stateOf: (scope: string) => LaneState | undefined
  /** The last action of this kind at a scope. */
  readonly actionOf: (scope: string, kind: ActionKind) => LaneAction | undefined
  readonly guard: CloseGuard
}

export interface Refusals {
  readonly incidents: readonly Incident[]
  /** When the attempt began, ms since 1970. */
  readonly started: number
  /** ms since 1970 */
  readonly at: number
  readonly load: Load
  /** Uniform in [0, 1). */
  readonly dice: number
  /** Limits of the attempt's lane. */
  readonly limits: LaneLimits
}

export interface Changes {
  /** By scope key. */
  readonly states: ReadonlyMap<string, LaneState>
  readonly actions: readonly LaneAction[]
  readonly guard: CloseGuard
  /** The connection carries no further message. */
  readonly reconnect: boolean
}

/** Scopes other than lanes have no connection limit of their own: this wide a recovery is over. */
const recovered = 10

/** The limits under which the state of a scope moves: a lane's own, or those of everything that is no lane. */
export const limitsOfScope = (kind: ScopeKind, lane: LaneLimits): LaneLimits =>
  kind === 'lane' ? lane : { connection_limit: recovered, message_rate: [], reaction: lane.reaction }

export const respond = (board: Board, refusals: Refusals): Changes => {
  const { at, started, load, dice } = refusals
  const states = new Map<string, LaneState>()
  const actions: LaneAction[] = []
  const stateOf = (key: string): LaneState => states.get(key) ?? board.stateOf(key) ?? openLane
  let guard = board.guard

  const effects = mergeEffects(count(refusals, stateOf, states))
  for (const effect of effects) {
    if (effect.kind === 'reconnect') continue
    const key = scopeKey(effect.scope)
    const limits = limitsOfScope(effect.scope.kind, refusals.limits)
    let kind = kindOfEffect(effect)
    if (effect.kind === 'blocked') {
      const verdict = mayClose(guard, effect, at, limits.reaction.lanes_per_rule)
      guard = verdict.guard
      if (!verdict.allowed) kind = 'withheld'
    }
    const before = board.actionOf(key, kind)
    if (kind === 'withheld') {
      actions.push(recordAction(before, effect, kind, at, at + limits.reaction.close_for))
      continue
    }
    const action = recordAction(before, effect, kind, at, at).id
    const moment = { at, started, ...load, wait_ms: effect.wait_ms, dice, action }
    const state = stepLane(stateOf(key), { kind: effect.kind, ...moment }, limits)
    states.set(key, state)
    // A connection that failed is no measure yet: the breaker opens after several in a row.
    if (effect.kind === 'connect_failed' && state.breaker.tries === 0) continue
    const until = viewLane(state, limits, at).until ?? at + limits.reaction.probe_after
    actions.push(recordAction(before, effect, kind, at, until))
  }
  return { states, actions, guard, reconnect: effects.some(({ kind }) => kind === 'reconnect') }
}

export interface Delivery {
  readonly sender: Sender
  readonly started: number
  readonly at: number
  readonly load: Load
  readonly limits: LaneLimits
}

/** What an accepted message changes: its lane, and every scope that is coming back. States that stay are not in it. */
export const succeed = (
  stateOf: Board['stateOf'],
  { sender, started, at, load, limits }: Delivery,
): ReadonlyMap<string, LaneState> => {
  const states = new Map<string, LaneState>()
  for (const scope of scopesOf(sender)) {
    const key = scopeKey(scope)
    const before = stateOf(key)
    if (!before) continue
    const after = stepLane(before, { kind: 'delivered', at, started, ...load }, limitsOfScope(scope.kind, limits))
    if (after !== before) states.set(key, after)
  }
  return states
}

/** Counts every refusal at the scope it blames, and collects what follows. */
const count = (
  { incidents, limits }: Refusals,
  stateOf: (key: string) => LaneState,
  states: Map<string, LaneState>,
): Effect[] => {
  const effects: Effect[] = []
  for (const incident of incidents) {
    const blamed = blamedScope(incident.verdict.blame, incident)
    if (!blamed) continue
    const key = scopeKey(blamed)
    const state = stateOf(key)
    const { effect, hits } = react(incident, state.hits, limits.reaction)
    if (hits !== state.hits) states.set(key, { ...state, hits })
    if (effect) effects.push(effect)
  }
  return effects
}
