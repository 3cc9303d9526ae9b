// The state machine of one lane (egress source x provider), or of any other scope that has a gate.
//
//   open        the connection limit and the configured rates hold. A refusal for connections or rate narrows it, a
//               block closes it.
//   narrowed    the window is smaller than the limit, or a learnt rate holds. Successes widen the window by 1/N and
//               bring the rate back by rare probes; both stop below what was refused last. Wide and fast enough, it is
//               open again. A breath (pause) after a rate refusal is part of this state: nothing leaves until it ends,
//               then one message at a time until one is accepted.
//   closed      nothing leaves until a time: the provider's own, or ten minutes, doubled for each failed recovery.
//               In-flight attempts that fail now tell nothing new. An operator's undo opens the lane at once.
//   half-open   the time is over. One connection; after it has succeeded one more, and so on by 1/N. A refusal of an
//               attempt that began half-open closes it again, for longer. As wide as its window, it is open again.
//
// Beside it stands the circuit breaker for connections that fail without an answer: open, it holds the lane like a
// breath does, and no reputation is touched.
//
// Everything here is plain data and pure: time (ms since 1970) and dice come with the event, the state can be kept in
// Redis, and states learnt apart are put together by `joinLanes`.

import type { Rate } from '../shaping/rate'
import { minute } from '../shaping/rate'
import type { Reaction } from '../shaping/reaction'
import { closedBreaker, connectFailed, connected, joinBreakers, type Breaker } from './breaker'
import { clearGate, closeGate, joinGates, openGate, recoverGate, viewGate, type Gate } from './gate'
import { freeRate, joinRates, learntRate, slowDown, speedUp, type LearntRate } from './message-rate'
import { joinHits, type Hits } from './trigger'
import { capAtHeld, connectionsOf, fullWindow, halve, joinWindows, widen, type Window } from './window'

export interface LaneState {
  readonly gate: Gate
  readonly window: Window
  readonly rate: LearntRate
  readonly breaker: Breaker
  readonly hits: Hits
}

export const openLane: LaneState = {
  gate: openGate,
  window: fullWindow,
  rate: freeRate,
  breaker: closedBreaker,
  hits: {},
}

/** The part of the limits that the machine needs; `CompleteLimits` has it. */
export interface LaneLimits {
  readonly connection_limit: number
  readonly message_rate: readonly Rate[]
  readonly reaction: Reaction
}

export const lanePhases = ['open', 'narrowed', 'closed', 'half_open'] as const
export type LanePhase = (typeof lanePhases)[number]

export interface LaneView {
  readonly phase: LanePhase
  /** Connections allowed now; 0 while closed or paused. */
  readonly connections: number
  /** When the lane should be looked at again, ms since 1970; only where `connections` is 0. */
  readonly until?: number
  /** Every rate that holds: the configured ones and the learnt one. */
  readonly message_rate: readonly Rate[]
  /** Id of the action that closed it. */
  readonly action?: string
}

/** The lane at `now` (ms since 1970). */
export const viewLane = (state: LaneState, limits: LaneLimits, now: number): LaneView => {
  const gate = viewGate(state.gate, now)
  const learnt = learntRate(state.rate)
  const message_rate = learnt ? [...limits.message_rate, learnt] : limits.message_rate
  if (gate.phase === 'closed') {
    return { phase: 'closed', connections: 0, until: gate.until, message_rate, action: gate.action }
  }
  const width = connectionsOf(state.window, limits.connection_limit)
  const phase =
    gate.phase === 'half_open' ? gate.phase : width < limits.connection_limit || learnt ? 'narrowed' : 'open'
  const named = gate.phase === 'half_open' ? { action: gate.action } : {}
  const until = Math.max(state.rate.until, state.breaker.until)
  if (now < until) return { phase, connections: 0, until, message_rate, ...named }

  const trying = state.rate.breaths > 0 || state.breaker.tries > 0
  const most = gate.phase === 'half_open' ? Math.min(width, gate.connections) : width
  return { phase, connections: trying ? 1 : most, message_rate, ...named }
}

/** Nothing is learnt that a new state would not know: it need not be kept. */
export const isAtRest = (state: LaneState, limits: LaneLimits, now: number): boolean =>
  viewLane(state, limits, now).phase === 'open' &&
  state.window.value >= (state.window.at === 0 ? 0 : limits.connection_limit) &&
  state.window.refused === 0 &&
  state.breaker.tries === 0 &&
  state.breaker.failures === 0 &&
  state.rate.breaths === 0 &&
  Object.keys(state.hits).length === 0 &&
  now - state.gate.cleared.at >= 2 * limits.reaction.close_for

interface Moment {
  /** ms since 1970 */
  readonly at: number
  /** When the attempt began (was admitted), ms since 1970. */
  readonly started: number
}

/** What the lane looked like when it happened, over all workers. */
export interface Load {
  /** Connections of the lane, this one included; 0 = not known. */
  readonly open: number
  /** Messages accepted in the last 60 s. */
  readonly minute: number
  /** More mail was waiting than the lane could take. */
  readonly busy: boolean
}

export type LaneEvent =
  | (Moment & Load & { readonly kind: 'delivered' })
  /** Too many messages: narrower and slower. */
  | (Moment & Load & { readonly kind: 'rate_refused'; readonly wait_ms?: number | undefined; readonly dice: number })
  /** Too many connections: as many as held before. */
  | (Moment & Load & { readonly kind: 'connection_refused' })
  | (Moment & { readonly kind: 'blocked'; readonly wait_ms?: number | undefined; readonly action: string })
  | (Moment & { readonly kind: 'connect_failed'; readonly dice: number })
  | (Moment & { readonly kind: 'connected' })
  /** An operator, or the undo of an action, opens the lane. */
  | { readonly kind: 'cleared'; readonly at: number }

export const stepLane = (state: LaneState, event: LaneEvent, limits: LaneLimits): LaneState => {
  const { reaction, connection_limit: limit } = limits
  switch (event.kind) {
    case 'delivered': {
      const width = connectionsOf(state.window, limit)
      const configured = perMinute(limits.message_rate)
      return unlessSame(state, {
        ...state,
        gate: recoverGate(state.gate, event.at, event.started, width),
        window: widen(state.window, event, limit, reaction),
        rate: speedUp(state.rate, { ...event, configured }, reaction),
        breaker: connected(state.breaker, event),
      })
    }
    case 'rate_refused': {
      const gate = failRecovery(state.gate, event, reaction)
      const rate = slowDown(state.rate, event, reaction)
      return { ...state, gate, rate, window: halve(state.window, event, limit, reaction) }
    }
    case 'connection_refused': {
      const gate = failRecovery(state.gate, event, reaction)
      return { ...state, gate, window: capAtHeld(state.window, event, limit, reaction) }
    }
    case 'blocked':
      return { ...state, gate: closeGate(state.gate, event, reaction) }
    case 'connect_failed':
      return { ...state, breaker: connectFailed(state.breaker, event, reaction) }
    case 'connected':
      return { ...state, breaker: connected(state.breaker, event) }
    case 'cleared':
      return {
        gate: clearGate(state.gate, event.at),
        window: { ...fullWindow, at: event.at, base: limit, value: limit },
        rate: { ...freeRate, at: event.at, since: event.at },
        breaker: { ...closedBreaker, at: event.at },
        hits: {},
      }
  }
}

/** A success changes nothing in an open lane: the state stays the same object, and nobody has to be told. */
const unlessSame = (before: LaneState, after: LaneState): LaneState =>
  before.gate === after.gate &&
  before.window === after.window &&
  before.rate === after.rate &&
  before.breaker === after.breaker
    ? before
    : after

/** A refusal in half-open closes again, under the action that closed it; in any other phase it is for window and rate. */
const failRecovery = (
  gate: Gate,
  { at, started, wait_ms }: Moment & { readonly wait_ms?: number | undefined },
  reaction: Reaction,
): Gate => {
  const view = viewGate(gate, at)
  if (view.phase !== 'half_open') return gate
  return closeGate(gate, { at, started, wait_ms, action: view.action }, reaction)
}

/** The tightest of the rates, per minute; 0 = no limit. */
const perMinute = (rates: readonly Rate[]): number =>
  rates.length === 0 ? 0 : Math.min(...rates.map(({ limit, window_ms }) => (limit * minute) / window_ms))

/** Commutative, associative and idempotent; where two states differ the newer or the more careful one wins. */
export const joinLanes = (a: LaneState, b: LaneState): LaneState => {
  const gate = joinGates(a.gate, b.gate)
  return {
    gate,
    window: joinWindows(a.window, b.window),
    rate: joinRates(a.rate, b.rate),
    breaker: joinBreakers(a.breaker, b.breaker),
    hits: joinHits(a.hits, b.hits, gate.cleared.at),
  }
}
