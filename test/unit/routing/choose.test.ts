import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { draw, prepareLottery } from '@sluice/core/routing/choose'

const weighted = (weights: readonly number[]) =>
  prepareLottery(
    weights.map((weight, index) => ({ source: `s${index}`, weight, factors: { base: weight, reputation: 1 } })),
  )

/** A small deterministic generator (mulberry32), so that a failure can be repeated. */
const dice = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

describe('the weighted choice', () => {
  it('gives 75:25 for weights 3:1 within sampling error over 20,000 choices', () => {
    const lottery = weighted([3, 1])
    const roll = dice(7)
    const counts: Record<string, number> = { s0: 0, s1: 0 }
    for (let i = 0; i < 20_000; i++) {
      const { source } = draw(lottery, roll()) ?? { source: 'none' }
      counts[source] = (counts[source] ?? 0) + 1
    }
    const chi2 = ((counts['s0'] ?? 0) - 15_000) ** 2 / 15_000 + ((counts['s1'] ?? 0) - 5_000) ** 2 / 5_000
    expect(chi2).toBeLessThan(10.83) // one degree of freedom, p = 0.001
  })

  it('never draws a source without weight or one that is closed, and says the true probability', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1000, noNaN: true })), { maxLength: 12 }),
        fc.array(fc.nat(11), { maxLength: 6 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (weights, out, roll) => {
          const closed = new Set(out.map((index) => `s${index}`))
          const open = weights.map((weight, index) => (closed.has(`s${index}`) ? 0 : weight))
          const total = open.reduce((a, b) => a + b, 0)
          const drawn = draw(weighted(weights), roll, closed)
          if (total === 0) return drawn === undefined
          const index = Number(drawn?.source.slice(1))
          expect(open[index]).toBeGreaterThan(0)
          expect(drawn?.propensity).toBeCloseTo((open[index] ?? 0) / total, 9)
          return true
        },
      ),
    )
  })

  it('draws the same without closed sources as with an empty set of them', () => {
    const lottery = weighted([5, 0, 2, 3])
    for (const roll of [0, 0.1, 0.4999, 0.5, 0.69, 0.7, 0.999999]) {
      expect(draw(lottery, roll, new Set(['absent']))).toEqual(draw(lottery, roll))
    }
  })
})
