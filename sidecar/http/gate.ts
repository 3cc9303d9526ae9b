// Guards what is costly: so many at a time over all callers, so many per minute for each. Who comes too many is told
// at once and tries again; nobody waits in line holding a connection.

import { SluiceError } from '@sluice/core/errors'

export interface GateLimits {
  readonly concurrency: number
  readonly per_minute: number
}

interface Bucket {
  left: number
  at: number
}

const minuteMs = 60_000

export class Gate {
  private inside = 0
  private readonly buckets = new Map<string, Bucket>()

  constructor(
    private readonly limits: () => GateLimits,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @throws SluiceError SLUICE_HTTP_BUSY */
  async pass<T>(caller: string, work: () => Promise<T>): Promise<T> {
    const { concurrency, per_minute } = this.limits()
    if (this.inside >= concurrency) {
      throw new SluiceError('SLUICE_HTTP_BUSY', `${concurrency} at a time; try again`)
    }
    this.take(caller, per_minute)
    this.inside += 1
    try {
      return await work()
    } finally {
      this.inside -= 1
    }
  }

  private take(caller: string, perMinute: number): void {
    const now = this.now()
    const bucket = this.buckets.get(caller) ?? { left: perMinute, at: now }
    bucket.left = Math.min(perMinute, bucket.left + ((now - bucket.at) * perMinute) / minuteMs)
    bucket.at = now
    this.buckets.set(caller, bucket)
    if (bucket.left < 1) throw new SluiceError('SLUICE_HTTP_BUSY', `${perMinute} per minute; try again`)
    bucket.left -= 1
  }
}
