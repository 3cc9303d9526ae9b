// The day's allowance of a source that is being warmed up, and how it is spread over the day: a number for the day, and
// a pace at which it may be used. The pace would use it up in the plan's `spread_hours` and makes up for one hour at
// most, so that neither a morning nor a late campaign spends the day in a burst, whatever time zone the mail keeps.

import type { Pace } from '../shaping/pace'
import { day, hour } from '../shaping/rate'
import type { WarmupPlan } from './plan'
import type { WarmupState } from './state'

/** Days since 1970 (UTC): what the day's counters are filed under. */
export const dayOf = (now: number): number => Math.floor(now / day)

/** Messages of a whole day at the state's stage, at least 1; undefined where the source is warm. */
export const dailyAllowance = (state: WarmupState, plan: WarmupPlan): number | undefined => {
  const figure = plan.stages[state.stage]
  if (state.status === 'done' || figure === undefined) return undefined
  return Math.max(1, Math.floor(plan.scope === 'source' ? figure * state.share : figure))
}

/** Messages of today: on the day it was started only the part that was left of it. */
export const allowanceOn = (state: WarmupState, plan: WarmupPlan, now: number): number | undefined => {
  const allowance = dailyAllowance(state, plan)
  if (allowance === undefined || dayOf(state.started) !== dayOf(now)) return allowance
  const left = 1 - (state.started % day) / day
  return Math.max(1, Math.floor(allowance * left))
}

/** The pace at which an allowance of the day may be used. */
export const paceOfAllowance = (allowance: number, plan: WarmupPlan): Pace => {
  const interval = (plan.spread_hours * hour) / allowance
  return { interval, tolerance: Math.max(0, hour - interval) }
}

/** Part of the day's allowance that each rank leaves to the streams that are liked better, at the start of the day. */
const reservePerRank = 0.15
const mostReserved = 0.6

/**
 * What a stream may use of it: the best-liked (rank 0) all, the others less, and towards the end of the day everybody
 * all, so that the plan's volume is reached.
 */
export const allowanceOfStream = (allowance: number, rank: number, now: number): number => {
  const left = 1 - (now % day) / day
  return Math.floor(allowance * (1 - Math.min(mostReserved, reservePerRank * rank) * left))
}

/** When more than `used` is allowed to a stream of that rank, ms since 1970: later today, or at midnight. */
export const nextAllowance = (allowance: number, rank: number, used: number, now: number): number => {
  const tomorrow = (dayOf(now) + 1) * day
  if (allowanceOfStream(allowance, rank, now) > used) return now
  const reserve = Math.min(mostReserved, reservePerRank * rank)
  if (used + 1 > allowance || reserve === 0) return tomorrow
  const left = (1 - (used + 1) / allowance) / reserve
  return Math.min(tomorrow, Math.max(now + 1, tomorrow - Math.floor(left * day)))
}

/** Rank of each stream by how well it is liked; equally liked streams share one. */
export const rankStreams = (
  streams: Readonly<Record<string, { readonly liking: number }>>,
): ReadonlyMap<string, number> => {
  const levels = [...new Set(Object.values(streams).map((one) => one.liking))].toSorted((a, b) => b - a)
  return new Map(Object.entries(streams).map(([name, { liking }]) => [name, levels.indexOf(liking)]))
}
