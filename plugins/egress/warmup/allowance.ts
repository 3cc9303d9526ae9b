// What lanes ask of warm-up when they build the rules of admission, and what they tell it of the answer. The admission
// script counts the messages of the day and takes the tokens of the pace; who is sent elsewhere because there are none
// left is decided by the closure (closure.ts) from what it was told.

import type { Pace } from '@sluice/core/shaping/pace'

import type { LaneName } from '../lane/leases'

export interface WarmupAllowance {
  /** Days since 1970: what the count is filed under. */
  readonly day: number
  /** Messages of this day that this stream may bring the count to. */
  readonly limit: number
  readonly pace: Pace
  /**
   * Provider under which it is counted (`keys.warmed`): the lane's own, or `*` for all that share one warm-up. That
   * one lies in another slot of a Redis Cluster than the lane: what is wanted is counted there first (`counter.ts`)
   * and given back where the lane refuses it.
   */
  readonly counter: string
}

export interface Warmups {
  /** Undefined where the lane's source is warm. Cheap: asked whenever rules are built. */
  warmupOf(lane: LaneName, stream: string, now: number): WarmupAllowance | undefined
  /** What an admission said: messages of the day counted so far, and ms until the pace lets the next one go. */
  counted(lane: LaneName, day: number, used: number, paceWaitMs: number): void
}

export const nothingWarming: Warmups = { warmupOf: () => undefined, counted: () => undefined }
