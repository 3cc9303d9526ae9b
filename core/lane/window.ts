// The window of a lane: how many connections it may have at a time, learnt from refusals and successes.
//
// Quickly down: a refusal halves it; "too many connections" sets it to what held before. Slowly up: 1/N for each
// success, and only while it is used in full. The level that was refused is remembered: the window stops below it and
// tries it again rarely, later each time it is refused again, and never so often that probing wastes more than its
// share of attempts. When the probe holds, the memory is wrong and the window goes on growing.

import type { Reaction } from '../shaping/reaction'
import { greater } from './gate'

export interface Window {
  /** Last narrowing, ms since 1970; 0 = never narrowed: the connection limit holds. */
  readonly at: number
  /** Connections allowed right after it. */
  readonly base: number
  /** Connections allowed now; whole ones count. */
  readonly value: number
  /** Connections at which the receiver refused; 0 = no such level is known. */
  readonly refused: number
  /** Refusals at about this level in a row. */
  readonly tries: number
  /** Successes and refusals since. */
  readonly won: number
  readonly lost: number
  /** Successes while a probe held the refused level. */
  readonly held: number
}

export const fullWindow: Window = { at: 0, base: 0, value: 0, refused: 0, tries: 0, won: 0, lost: 0, held: 0 }

/** Whole connections allowed, 1..limit. */
export const connectionsOf = (window: Window, limit: number): number =>
  window.at === 0 ? limit : Math.max(1, Math.min(limit, Math.floor(window.value)))

export interface Refusal {
  /** ms since 1970 */
  readonly at: number
  /** When the attempt began. */
  readonly started: number
  /** Connections of the lane at that moment, over all workers, the refused one included; 0 = not known. */
  readonly open: number
}

/** A rate refusal: the window in use is cut to its share, once for all attempts that were under way. */
export const halve = (window: Window, refusal: Refusal, limit: number, reaction: Reaction): Window => {
  if (refusal.started < window.at) return { ...window, lost: window.lost + 1 }
  const used = inUse(window, refusal.open, limit)
  const base = Math.max(1, Math.floor(used * reaction.narrow_to))
  return { ...window, at: refusal.at, base, value: base, won: 0, lost: 1, held: 0 }
}

/**
 * "Too many connections": the window becomes what held before. Where several were refused at once each takes one off,
 * so that the last of them leaves exactly those that were accepted.
 */
export const capAtHeld = (window: Window, refusal: Refusal, limit: number, reaction: Reaction): Window => {
  if (refusal.open <= 0) return halve(window, refusal, limit, reaction)
  const held = Math.max(1, Math.min(connectionsOf(window, limit), refusal.open - 1))
  if (refusal.started < window.at) {
    const base = Math.min(window.base, held)
    return { ...window, base, value: Math.min(window.value, base), refused: base + 1, lost: window.lost + 1 }
  }
  const again = window.refused > 0 && Math.abs(held + 1 - window.refused) <= Math.max(1, window.refused / 10)
  const tries = again ? window.tries + 1 : 1
  return { at: refusal.at, base: held, value: held, refused: held + 1, tries, won: 0, lost: 1, held: 0 }
}

const inUse = (window: Window, open: number, limit: number): number => {
  const allowed = connectionsOf(window, limit)
  return open > 0 ? Math.min(allowed, open) : allowed
}

export interface Success {
  readonly at: number
  readonly started: number
  /** Connections of the lane at that moment, over all workers. */
  readonly open: number
  /** More mail was waiting than the lane could take. */
  readonly busy: boolean
}

export const widen = (window: Window, success: Success, limit: number, reaction: Reaction): Window => {
  if (window.at === 0 || success.started < window.at) return window
  const won = { ...window, won: window.won + 1 }
  const allowed = connectionsOf(window, limit)
  if (!success.busy || success.open < allowed) return won

  const known = window.refused > 0 && window.refused <= limit
  if (!known) return { ...won, value: grow(window, limit) }
  if (allowed < window.refused - 1) return { ...won, value: Math.min(window.refused - 1, grow(window, limit)) }
  if (allowed < window.refused) return probeIsDue(won, success.at, reaction) ? { ...won, value: window.refused } : won
  // The probe is under way: a full round of successes at the level refutes the memory of it.
  const held = window.held + 1
  if (held < 2 * window.refused) return { ...won, held }
  return { ...won, refused: 0, tries: 0, held: 0, value: grow(window, limit) }
}

/** 1/N, so one more connection for each round of successes. */
const grow = (window: Window, limit: number): number =>
  Math.min(limit, window.value + 1 / Math.max(1, Math.floor(window.value)))

const probeIsDue = (window: Window, at: number, reaction: Reaction): boolean =>
  at - window.at >= probeWait(window.tries, reaction) && window.won >= wasted(window) / reaction.probe_waste

/** Refusals a probe is expected to cost: what the last one did, but not what it cost to find the level at first. */
export const wasted = ({ tries, lost }: { readonly tries: number; readonly lost: number }): number =>
  tries > 1 ? lost : Math.min(lost, 2)

/** ms to wait before the refused level is tried again. */
export const probeWait = (tries: number, { probe_after, probe_max }: Reaction): number =>
  Math.min(Math.max(probe_after, probe_max), probe_after * 2 ** Math.min(Math.max(0, tries - 1), 32))

/** Refusals within one tick are one event seen by several workers: the most careful of them wins. */
const tick = 2000

export const joinWindows = (a: Window, b: Window): Window =>
  greater(a, b, (one) => [
    Math.floor(one.at / tick),
    -one.base,
    one.at,
    one.value,
    one.won,
    one.held,
    one.lost,
    one.tries,
    -one.refused,
  ])
