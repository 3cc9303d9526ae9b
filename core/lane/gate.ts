// The gate of a scope (a lane, a netblock, a signing domain, a stream, a tenant): open, closed until a time, then
// half-open: one connection, one more as successes come, and closed again, for longer, on a failure.
//
// What is kept is a set of closings, the moment up to which closings are over, and how far the recovery has come.
// `joinGates` is commutative, associative and idempotent, so gates that several workers learnt apart can be put
// together in any order; where they differ the more careful one wins.

import type { Reaction } from '../shaping/reaction'

export interface Closing {
  /** ms since 1970 */
  readonly since: number
  /** ms since 1970; half-open from then on */
  readonly until: number
  /** Closings in a row, this one included. */
  readonly tries: number
  /** Id of the action that closed it. */
  readonly action: string
}

export interface Gate {
  /** Closings that began at or before `at` are over; `tries` is how many there were in a row. */
  readonly cleared: { readonly at: number; readonly tries: number }
  /** The closings in force, later ones last; one that another outlasts on both sides is left out. */
  readonly closings: readonly Closing[]
  /** Recovery after the closing that began at `episode`: connections it has earned. */
  readonly recovery: { readonly episode: number; readonly level: number }
}

export const openGate: Gate = { cleared: { at: 0, tries: 0 }, closings: [], recovery: { episode: 0, level: 1 } }

export type GateView =
  | { readonly phase: 'open' }
  | { readonly phase: 'closed'; readonly until: number; readonly action: string }
  | { readonly phase: 'half_open'; readonly connections: number; readonly action: string }

/** The gate at `now` (ms since 1970). */
export const viewGate = (gate: Gate, now: number): GateView => {
  const last = latest(gate)
  if (!last) return { phase: 'open' }
  // The front is sorted: later closings end earlier, so the first one ends last.
  const longest = gate.closings[0] ?? last
  if (now < longest.until) return { phase: 'closed', until: longest.until, action: longest.action }
  return { phase: 'half_open', connections: Math.max(1, Math.floor(levelOf(gate))), action: last.action }
}

const latest = (gate: Gate): Closing | undefined => gate.closings.at(-1)

const endOf = (gate: Gate): number => gate.closings[0]?.until ?? 0

const levelOf = (gate: Gate): number => (gate.recovery.episode === latest(gate)?.since ? gate.recovery.level : 1)

export interface CloseOrder {
  /** ms since 1970 */
  readonly at: number
  /** When the attempt that was refused began, ms since 1970. */
  readonly started: number
  /** How long the provider said, ms. */
  readonly wait_ms?: number | undefined
  /** Id of the action. */
  readonly action: string
}

/**
 * Closes the gate. An attempt that began before the last closing tells nothing new: it can only make the provider's own
 * time longer. One that began while it was closed (on a worker that did not know yet) closes it anew.
 * One that began half-open was a failed recovery: closed for longer than the time before.
 */
export const closeGate = (gate: Gate, order: CloseOrder, reaction: Reaction): Gate => {
  // An operator has opened it since: what began before tells of what he knew. A recovery leaves its count of tries.
  if (gate.cleared.tries === 0 && order.started < gate.cleared.at) return gate
  const last = latest(gate)
  const end = endOf(gate)
  const echo = last !== undefined && order.started < last.since
  if (echo && order.at + bounded(order.wait_ms ?? 0, reaction) <= end) return gate
  const tries = last && order.started < end ? last.tries : triesBefore(gate, order.at, reaction) + 1
  const own = reaction.close_for * reaction.close_growth ** Math.min(tries - 1, 32)
  const until = order.at + bounded(order.wait_ms ?? own, reaction)
  const since = Math.max(order.at, (last?.since ?? 0) + 1, gate.cleared.at + 1)
  return normal({ ...gate, closings: [...gate.closings, { since, until, tries, action: order.action }] })
}

const bounded = (wait: number, reaction: Reaction): number => Math.min(reaction.close_max, wait)

/** A relapse soon after a recovery counts as one more failure of it. */
const triesBefore = (gate: Gate, at: number, reaction: Reaction): number => {
  const last = latest(gate)
  if (last) return last.tries
  return at - gate.cleared.at < 2 * reaction.close_for ? gate.cleared.tries : 0
}

/** A success of an attempt that began while half-open: 1/N more, and open at `target` connections. */
export const recoverGate = (gate: Gate, at: number, started: number, target: number): Gate => {
  const last = latest(gate)
  if (!last || started < endOf(gate) || at < endOf(gate)) return gate
  const level = levelOf(gate)
  const next = level + 1 / Math.floor(level)
  if (next >= target) return clearGate(gate, at, last.tries)
  return { ...gate, recovery: { episode: last.since, level: next } }
}

/** Opens the gate: everything that closed it up to `at` is over. Undo gives no `tries`, so nothing is held against it. */
export const clearGate = (gate: Gate, at: number, tries = 0): Gate =>
  normal({ ...gate, cleared: { at: Math.max(at, latest(gate)?.since ?? 0), tries } })

export const joinGates = (a: Gate, b: Gate): Gate =>
  normal({
    cleared: greater(a.cleared, b.cleared, (one) => [one.at, one.tries]),
    closings: [...a.closings, ...b.closings],
    recovery: greater(a.recovery, b.recovery, (one) => [one.episode, one.level]),
  })

/** Drops what is over and what is outlasted, and sorts the rest. */
const normal = (gate: Gate): Gate => {
  const live = gate.closings
    .filter((one) => one.since > gate.cleared.at)
    .toSorted((a, b) => compare(rank(b), rank(a)) || (a.action < b.action ? 1 : a.action > b.action ? -1 : 0))
  const front: Closing[] = []
  for (const one of live) {
    // Sorted by the beginning, latest first: one that begins earlier stays only if it ends later.
    const kept = front[0]
    if (!kept || one.until > kept.until) front.unshift(one)
  }
  return { ...gate, closings: front }
}

const rank = (one: Closing): number[] => [one.since, one.until, one.tries]

/** Lexicographic order of two lists of the same length. */
const compare = (a: readonly number[], b: readonly number[]): number => {
  for (let index = 0; index < a.length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** The one whose rank is greater; equal ranks must mean equal values. */
export const greater = <T>(a: T, b: T, rankOf: (one: T) => readonly number[]): T =>
  compare(rankOf(b), rankOf(a)) > 0 ? b : a
