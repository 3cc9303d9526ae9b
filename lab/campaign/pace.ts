// Keeps a rate: turn n comes no earlier than n/rate after the start. A campaign that fell behind catches up, at most one
// second's worth at once, so that a stall does not end in a flood.

import { setTimeout as sleep } from 'node:timers/promises'

const catchUpMs = 1000

export class Pace {
  private next: number

  /** `rate` per second; Infinity = no limit. */
  constructor(
    private readonly rate: number,
    private readonly clock: () => number = Date.now,
  ) {
    this.next = clock()
  }

  /** ms until the next turn, which is thereby taken. */
  take(): number {
    if (!Number.isFinite(this.rate)) return 0
    const now = this.clock()
    this.next = Math.max(this.next, now - catchUpMs)
    const wait = this.next - now
    this.next += 1000 / this.rate
    return Math.max(0, wait)
  }

  /** Waits for the next turn; false when the signal came first. */
  async turn(signal: AbortSignal | undefined): Promise<boolean> {
    const wait = this.take()
    if (signal?.aborted) return false
    if (wait < 1) return true
    try {
      await sleep(wait, undefined, signal ? { signal } : {})
      return true
    } catch (error) {
      if (signal?.aborted) return false
      throw error
    }
  }
}
