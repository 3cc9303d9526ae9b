// What this worker has delivered by each lane in the last minute. Admission knows it for all workers, but not while
// Redis is away; and a rate that is learnt from nothing would be no rate.

import { acceptedInMinute, emptyMeter, meterAccepted, type Meter } from '@sluice/core/lane/meter'

/** Lanes counted at most; the one that was quiet longest is forgotten first. */
const most = 5000

export class Meters {
  /** By lane key, the one used last at the end. */
  private readonly meters = new Map<string, Meter>()

  accepted(lane: string, now: number): void {
    const meter = meterAccepted(this.meters.get(lane) ?? emptyMeter, now)
    this.meters.delete(lane)
    this.meters.set(lane, meter)
    if (this.meters.size <= most) return
    const [oldest] = this.meters.keys()
    if (oldest !== undefined) this.meters.delete(oldest)
  }

  /** Messages in the 60 s before `now`. */
  minuteOf(lane: string, now: number): number {
    const meter = this.meters.get(lane)
    return meter ? acceptedInMinute(meter, now) : 0
  }
}
