import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { judge, wilson } from '@sluice/core/warmup/interval'

describe('the Wilson interval', () => {
  it('has the textbook values', () => {
    const { low, high } = wilson(10, 100, 1.96)
    expect(low).toBeCloseTo(0.0552, 4)
    expect(high).toBeCloseTo(0.1744, 4)
  })

  it('knows nothing from nothing, and little from little', () => {
    expect(wilson(0, 0, 1.28)).toEqual({ low: 0, high: 1 })
    expect(wilson(0, 10, 1.28).high).toBeGreaterThan(0.1)
    expect(wilson(0, 10_000, 1.28).high).toBeLessThan(0.001)
  })

  it('contains the raw ratio, within 0 and 1', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.double({ min: 0, max: 1, noNaN: true }), (trials, part) => {
        const { low, high } = wilson(trials * part, trials, 1.28)
        expect(low).toBeGreaterThanOrEqual(0)
        expect(high).toBeLessThanOrEqual(1)
        if (trials > 0) {
          expect(low).toBeLessThanOrEqual(part + 1e-9)
          expect(high).toBeGreaterThanOrEqual(part - 1e-9)
        }
      }),
    )
  })

  it('judges only what it knows', () => {
    expect(judge(wilson(0, 100, 1.28), 0.1)).toBe('good')
    expect(judge(wilson(50, 100, 1.28), 0.1)).toBe('bad')
    expect(judge(wilson(1, 10, 1.28), 0.1)).toBe('unsure')
  })
})
