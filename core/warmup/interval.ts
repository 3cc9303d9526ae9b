// What a count of events says of their true rate: the Wilson score interval, which stays honest for few and for rare
// events, where the raw ratio says 0 or 1.

export interface Interval {
  readonly low: number
  readonly high: number
}

/** `events` of `trials`, both 0 or more (fractions from decay are fine); `z` is the normal quantile of each bound. */
export const wilson = (events: number, trials: number, z: number): Interval => {
  if (!(trials > 0)) return { low: 0, high: 1 }
  const p = Math.min(1, Math.max(0, events / trials))
  const square = (z * z) / trials
  const middle = (p + square / 2) / (1 + square)
  const half = (z * Math.sqrt((p * (1 - p)) / trials + square / (4 * trials))) / (1 + square)
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}

/** good: surely below the limit; bad: surely above it. */
export const judge = ({ low, high }: Interval, limit: number): 'good' | 'bad' | 'unsure' =>
  high < limit ? 'good' : low > limit ? 'bad' : 'unsure'
