// Quiet hours, asked for at every admission: local time is worked out once a minute, for the clock's hours begin and
// end on full minutes.

import { quietUntil, type QuietSpan } from '@sluice/core/shaping/quiet'
import { minute } from '@sluice/core/shaping/rate'

interface Known {
  readonly minute: number
  readonly until: number | undefined
}

export class QuietHours {
  private readonly known = new WeakMap<readonly QuietSpan[], Known>()

  /** ms since 1970 until which it is quiet at `now`; undefined where it is not. */
  until(spans: readonly QuietSpan[], now: number): number | undefined {
    if (spans.length === 0) return undefined
    const current = Math.floor(now / minute)
    const known = this.known.get(spans)
    if (known?.minute === current) return known.until
    const until = quietUntil(spans, now)
    this.known.set(spans, { minute: current, until })
    return until
  }
}
