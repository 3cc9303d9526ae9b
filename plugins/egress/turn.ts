// One timer for the next moment at which something changes by time alone: an override begins or ends, a suspension
// lapses, a relay may be probed.

/** A timer cannot be set further ahead than 2^31 ms; a day is far enough to look again. */
const longestMs = 86_400_000

export class Turn {
  private timer: NodeJS.Timeout | undefined
  /** ms since 1970 for which it is set; Infinity = not at all */
  at = Infinity

  constructor(
    private readonly now: () => number,
    private readonly act: () => void,
  ) {}

  /** Sets it for `at` (ms since 1970), in place of what it was set for. */
  arm(at: number): void {
    if (at === this.at) return
    this.cancel()
    if (at === Infinity) return
    this.at = at
    const wait = Math.min(longestMs, Math.max(1, at - this.now()))
    this.timer = setTimeout(() => {
      this.at = Infinity
      this.act()
    }, wait).unref()
  }

  cancel(): void {
    clearTimeout(this.timer)
    this.at = Infinity
  }
}
