// Confidence bound of a proportion (Wilson's score interval, J. Am. Stat. Assoc. 22, 1927): good for few trials and
// for proportions near 0 and 1, where the usual mean +- z * deviation is not.

/**
 * Upper bound of a success rate. Falls with every failure and, for the same rate, with every further trial.
 * @param rate observed, 0..1
 * @param trials > 0, need not be whole (decayed counts)
 * @param z quantile of the standard normal: 0 = the rate itself, 1 = 84 % one-sided, 1.64 = 95 %
 * @returns rate..1
 */
export const upperBound = (rate: number, trials: number, z: number): number => {
  if (z === 0) return rate
  const spread = (z * z) / trials
  const centre = rate + spread / 2
  const half = Math.sqrt(spread * (rate * (1 - rate) + spread / 4))
  return Math.min(1, Math.max(rate, (centre + half) / (1 + spread)))
}
