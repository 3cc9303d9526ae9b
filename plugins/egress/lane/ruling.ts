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
}

export interface Warmups {
  /** undefined where the lane is warm. @param now ms since 1970 */
  warmupOf(lane: LaneName, stream: string, now: number): WarmupRule | undefined
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
