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

/** At most a tenth of the rate is given up for the burst. */
export const paceOf = ({ limit, window_ms }: Rate): Pace => {
  const extra = Math.min(Math.floor(limit / 10), Math.ceil((lateness * limit) / window_ms))
  const interval = window_ms / (limit - extra)
  return { interval, tolerance: extra * interval }
}

/** `due` is the theoretical arrival time, ms since 1970; 0 at first. */
export type Token = { readonly taken: true; readonly due: number } | { readonly taken: false; readonly wait_ms: number }

export const takeToken = (due: number, pace: Pace, now: number): Token => {
  const early = due - pace.tolerance - now
  return early > 0 ? { taken: false, wait_ms: early } : { taken: true, due: Math.max(due, now) + pace.interval }
}
