// Sliding windows over times in milliseconds. Pure: time is an argument and must not go backwards.
// A window of length `per` at time t is the half-open interval (t - per, t].

/** Admits at most `max` in every window of `per_ms`; what it refuses does not count. Memory: `max` numbers. */
export class SlidingLimit {
  /** Times of the last `max` admissions, a ring; the oldest is at `next`. */
  private readonly times: Float64Array
  private next = 0

  constructor(
    readonly max: number,
    readonly per_ms: number,
  ) {
    this.times = new Float64Array(max).fill(-Infinity)
  }

  /** Whether one more fits now; takes nothing. */
  fits(now: number): boolean {
    const oldest = this.times[this.next]
    return oldest !== undefined && now - oldest >= this.per_ms
  }

  take(now: number): void {
    this.times[this.next] = now
    this.next = (this.next + 1) % this.max
  }
}

/** Counts without a limit and remembers the largest number any window held. */
export class PeakWindow {
  private times: number[] = []
  private head = 0
  peak = 0

  constructor(readonly per_ms: number) {}

  add(now: number): void {
    this.times.push(now)
    this.peak = Math.max(this.peak, this.count(now))
  }

  /** How many are in the window that ends now. */
  count(now: number): number {
    while (this.head < this.times.length && now - (this.times[this.head] ?? now) >= this.per_ms) this.head++
    if (this.head > 1024 && this.head * 2 > this.times.length) {
      this.times = this.times.slice(this.head)
      this.head = 0
    }
    return this.times.length - this.head
  }
}
