// A rate as a pace (generic cell rate algorithm): one number of state, so that it costs nothing to keep, to replicate
// or to test in a script. In no window of the rate, wherever it begins, are there more than `limit`: what a burst may
// take in advance is taken off the sustained rate.

import type { Rate } from './rate'

export interface Pace {
  /** ms between two, sustained. */
  readonly interval: number
  /** ms that may be taken in advance. */
  readonly tolerance: number
}

/** Lateness of timers and round trips that a burst makes up for, ms. */
const lateness = 40

/**
 * How long after its admission something may reach the receiver, ms: a twenty-fifth of the window, at most half a
 * second and a thousandth of it. The pace gives up as much of the rate.
 */
export const transitOf = (window_ms: number): number => Math.min(window_ms / 25, 500 + window_ms / 1000)

/** Intervals are whole in units of this part of a ms, so that due times (ms since 1970) add up without rounding. */
const fractions = 1024

/**
 * At most a tenth of the rate is given up for the burst.
 * @param transit ms by which one may arrive later than another: so much longer is the window that is kept
 */
export const paceOf = ({ limit, window_ms }: Rate, transit = 0): Pace => {
  const extra = Math.min(Math.floor(limit / 10), Math.ceil((lateness * limit) / window_ms))
  const interval = Math.ceil((fractions * (window_ms + transit)) / (limit - extra)) / fractions
  return { interval, tolerance: extra * interval }
}

/** `due` is the theoretical arrival time, ms since 1970; 0 at first. */
export type Token = { readonly taken: true; readonly due: number } | { readonly taken: false; readonly wait_ms: number }

export const takeToken = (due: number, pace: Pace, now: number): Token => {
  const early = due - pace.tolerance - now
  return early > 0 ? { taken: false, wait_ms: early } : { taken: true, due: Math.max(due, now) + pace.interval }
}
