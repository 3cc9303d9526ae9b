// What holds in a lane at a moment: its configured limits, and what the lane has learnt of them (narrowed, closed,
// taking breath). Asked at every admission, so it must be cheap. Whoever knows more than the configuration implements
// `Rulings`; without one every lane is open and goes by its limits.

import { openLane, viewLane, type LaneView } from '@sluice/core/lane/lane'
import type { CompleteLimits } from '@sluice/core/shaping/limits'
import type { Pace } from '@sluice/core/shaping/pace'

/** A lane as Redis knows it. */
export interface LaneName {
  readonly source: string
  readonly provider: string
  /** `laneKey` of both */
  readonly key: string
}

export interface Ruling {
  readonly limits: CompleteLimits
  readonly view: LaneView
}

/** What the lane looked like when Redis was asked last, over all workers. */
export interface LaneLoad {
  /** Connections; 0 = not known. */
  readonly open: number
  /** Messages accepted in the last 60 s. */
  readonly minute: number
  /** More mail waits here than the lane can take. */
  readonly busy: boolean
}

export interface Rulings {
  /** @param now ms since 1970 */
  rulingOf(lane: LaneName, now: number): Ruling
  /** The listener is told the key of a lane whose ruling has changed: wider, narrower, open or closed. */
  onChange(listener: (lane: string) => void): void
}

/** The allowance of a lane that is being warmed up, for one stream of mail. */
export interface WarmupRule {
  /** Days since 1970 (UTC). */
  readonly day: number
  /** Messages of that day, all streams together, up to which this stream may go. */
  readonly limit: number
  readonly pace: Pace
  /** When more than `used` will be allowed, ms since 1970; absent = at the end of the day. */
  readonly next?: (used: number) => number
  /**
   * Provider under which the count is filed (`keys.warmed`): the lane's own, or `*` for all that share one warm-up.
   * That one lies in another slot of a Redis Cluster than the lane: what is wanted is taken there first
   * (`Warmups.take`), and what the lane then refuses is given back (`Warmups.giveBack`); the lane's script does not
   * count it then.
   */
  readonly counter: string
}

/** What is known of a day's count. */
export interface WarmupCount {
  readonly day: number
  /** Messages of the day so far, over all workers. */
  readonly used: number
  /** ms until the pace lets the next one go; 0 = at once. */
  readonly wait_ms: number
}

export interface WarmupTaken {
  readonly taken: number
  /** ms until there may be more. */
  readonly wait_ms: number
}

export interface Warmups {
  /** undefined where the lane is warm. @param now ms since 1970 */
  warmupOf(lane: LaneName, stream: string, now: number): WarmupRule | undefined
  /**
   * What the admission script said of it; told at every answer, granted or not. Where nothing is left now the source
   * may be closed for this provider within the call, and the lane's mails be removed to go another way.
   */
  counted(lane: LaneName, count: WarmupCount): void
  /** Takes up to `wanted` messages of a shared count. */
  take(lane: LaneName, rule: WarmupRule, wanted: number): Promise<WarmupTaken>
  giveBack(lane: LaneName, rule: WarmupRule, unused: number): void
}

/** Limits as configured; every lane is open. */
export class ConfiguredRulings implements Rulings {
  private readonly rulings = new WeakMap<CompleteLimits, Ruling>()

  constructor(private readonly limitsOf: (lane: LaneName) => CompleteLimits) {}

  rulingOf(lane: LaneName): Ruling {
    const limits = this.limitsOf(lane)
    const known = this.rulings.get(limits)
    if (known) return known
    // An open lane's view does not depend on the time.
    const ruling = { limits, view: viewLane(openLane, limits, 0) }
    this.rulings.set(limits, ruling)
    return ruling
  }

  onChange(): void {
    // The configuration's changes are told by whoever reads it.
  }
}
