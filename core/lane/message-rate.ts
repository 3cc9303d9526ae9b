// The message rate of a lane, learnt from refusals: receivers count messages in windows that they do not publish.
//
// A refusal says how much was accepted in the minute before: that, less some headroom, becomes the lane's rate, and the
// lane takes breath: it pauses, then tries one message at a time, and pauses longer while it is refused. Later it
// probes, rarely: some more than what was refused. A refusal brings it back; acceptance refutes the memory, and the
// rate grows by leaps until it is refused again or the configured rate is reached.

import type { Reaction } from '../shaping/reaction'
import { minute, second, type Rate } from '../shaping/rate'
import { greater } from './gate'
import { probeWait, wasted } from './window'

const modes = ['hold', 'probe', 'search'] as const

export interface LearntRate {
  /** Last refusal, ms since 1970; 0 = never. */
  readonly at: number
  /** Messages a minute allowed right after it. */
  readonly base: number
  /** Messages a minute allowed now; 0 = nothing learnt: the configured rates hold. */
  readonly value: number
  /** Messages that had been accepted in the minute before the refusal; 0 = not known. */
  readonly refused: number
  readonly mode: (typeof modes)[number]
  /** Since when in this mode, or of the last leap; ms since 1970. */
  readonly since: number
  /** Refusals at about this rate in a row. */
  readonly tries: number
  readonly won: number
  readonly lost: number
  /** Breaths taken in a row without a success; not 0: one message at a time. */
  readonly breaths: number
  /** End of the breath, ms since 1970. */
  readonly until: number
}

export const freeRate: LearntRate = {
  at: 0,
  base: 0,
  value: 0,
  refused: 0,
  mode: 'hold',
  since: 0,
  tries: 0,
  won: 0,
  lost: 0,
  breaths: 0,
  until: 0,
}

/** A probe asks for this much of the refused rate; acceptance of `refutation` of it refutes the memory. */
const probe = 1.2
const refutation = 1.05
/** A probe that never ran at its rate is given up. */
const probeLasts = 75 * second
const leap = 1.5
const leapEvery = 8 * second

export interface RateRefusal {
  /** ms since 1970 */
  readonly at: number
  readonly started: number
  /** Messages of the lane accepted in the last 60 s, over all workers. */
  readonly minute: number
  /** How long the provider asks to wait, ms. */
  readonly wait_ms?: number | undefined
  /** Uniform in [0, 1): workers and lanes do not come back in step. */
  readonly dice: number
}

export const slowDown = (rate: LearntRate, refusal: RateRefusal, reaction: Reaction): LearntRate => {
  if (refusal.started < rate.at) return { ...rate, lost: rate.lost + 1 }
  const breaths = rate.breaths + 1
  const until = refusal.at + Math.round(breath(breaths, refusal, reaction))
  const paused: LearntRate = { ...rate, at: refusal.at, since: refusal.at, breaths, until, lost: rate.lost + 1 }
  // A receiver that still refuses after a pause, or refuses a lane that was silent, says nothing new of its rate: its
  // own window has not ended yet.
  if (rate.breaths > 0 || refusal.minute < 1) {
    return rate.refused > 0 ? { ...paused, mode: 'hold', value: heldValue(rate, reaction) } : paused
  }
  const refused = Math.max(1, refusal.minute, rate.value / 32)
  const again = rate.refused > 0 && Math.abs(refused - rate.refused) <= rate.refused / 5
  const base = Math.max(1, refused * reaction.rate_headroom)
  const tries = again ? rate.tries + 1 : 1
  return { ...paused, base, value: base, refused, mode: 'hold', tries, won: 0, lost: 1 }
}

/**
 * ms to pause: as long as the provider asks, or else short at first (a sliding window lets go at once), then ten seconds
 * at a time (a clock minute has to end), and after some minutes longer and longer (an hour, or something worse).
 */
const breath = (breaths: number, { wait_ms = 0, dice }: RateRefusal, reaction: Reaction): number => {
  const soon = Math.min(reaction.breath * 3 ** Math.min(breaths - 1, 20), 10 * second)
  const late = 10 * second * 2 ** Math.min(Math.max(0, breaths - patience), 20)
  const own = Math.min(reaction.close_for, breaths > patience ? Math.max(soon, late) : soon) * (1 + 0.2 * dice)
  return Math.min(reaction.close_max, Math.max(wait_ms, own))
}

/** Breaths after which it is not a matter of a minute. */
const patience = 10

const heldValue = (rate: LearntRate, { rate_headroom }: Reaction): number =>
  rate.refused > 0 ? Math.max(1, rate.refused * rate_headroom) : rate.value

export interface RateSuccess {
  readonly at: number
  readonly started: number
  readonly minute: number
  readonly busy: boolean
  /** Messages a minute the configuration allows; 0 = no limit. */
  readonly configured: number
}

export const speedUp = (rate: LearntRate, success: RateSuccess, reaction: Reaction): LearntRate => {
  if (rate.at === 0 || success.started < rate.at) return rate
  const won: LearntRate = { ...rate, won: rate.won + 1, breaths: 0 }
  if (rate.value === 0) return won
  switch (rate.mode) {
    case 'hold': {
      const due =
        success.busy &&
        success.at - rate.since >= probeWait(rate.tries, reaction) &&
        won.won >= wasted(rate) / reaction.probe_waste
      return due ? { ...won, mode: 'probe', since: success.at, value: rate.refused * probe } : won
    }
    case 'probe':
      if (success.minute > rate.refused * refutation + 1) return leapUp({ ...won, refused: 0, tries: 0 }, success)
      if (success.at - rate.since < probeLasts) return won
      return { ...won, mode: 'hold', since: success.at, value: heldValue(rate, reaction) }
    case 'search':
      return success.busy && success.at - rate.since >= leapEvery ? leapUp(won, success) : won
  }
}

const leapUp = (rate: LearntRate, { at, minute: accepted, configured }: RateSuccess): LearntRate => {
  const value = rate.value * leap
  // At the configured rate, or far beyond what this lane can use, there is nothing left to learn.
  const free = configured > 0 ? value >= configured : value > 16 * Math.max(1, accepted)
  return { ...rate, mode: 'search', since: at, value: free ? 0 : value }
}

/** The rate that is learnt; undefined where none is. */
export const learntRate = (rate: LearntRate): Rate | undefined =>
  rate.value === 0 ? undefined : { limit: Math.max(1, Math.floor(rate.value)), window_ms: minute }

const tick = 2000

export const joinRates = (a: LearntRate, b: LearntRate): LearntRate =>
  greater(a, b, (one) => [
    Math.floor(one.at / tick),
    // Who has learnt nothing of the rate does not make the others forget it.
    one.base === 0 ? -Number.MAX_VALUE : -one.base,
    one.at,
    one.since,
    one.value === 0 ? Number.MAX_VALUE : one.value,
    one.won,
    one.until,
    -one.breaths,
    one.lost,
    one.tries,
    -one.refused,
    modes.indexOf(one.mode),
  ])
