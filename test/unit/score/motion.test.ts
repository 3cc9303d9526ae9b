import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { floorFor, move } from '@sluice/core/score/motion'

const parameters = { double_s: 10, halve_s: 2, hysteresis: 0.1, explore: 0.05 }
const part = fc.double({ min: 0, max: 1, noNaN: true })

describe('the floor', () => {
  it('leaves a source the given part of its base share', () => {
    for (const share of [0.05, 0.25, 0.5, 0.75, 0.9]) {
      const floor = floorFor(share, 0.05)
      expect((floor * share) / (floor * share + 1 - share)).toBeCloseTo(0.05 * share, 6)
    }
  })

  it('is never 0 and never more than 1', () => {
    fc.assert(
      fc.property(part, part, (share, explore) => {
        expect(floorFor(share, explore)).toBeGreaterThan(0)
        expect(floorFor(share, explore)).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('a weight', () => {
  it('stays within floor..1 and never steps past its aim or further than the pace allows', () => {
    fc.assert(
      fc.property(part, part, part, fc.double({ min: 0, max: 1000, noNaN: true }), (now, target, low, s) => {
        const floor = Math.max(0.001, low)
        const current = Math.max(floor, now)
        const { multiplier } = move(current, target, floor, s, parameters)
        expect(multiplier).toBeGreaterThanOrEqual(floor)
        expect(multiplier).toBeLessThanOrEqual(1)
        expect(multiplier).toBeLessThanOrEqual(current * 2 ** (s / parameters.double_s) + 1e-12)
        expect(multiplier).toBeGreaterThanOrEqual(current * 2 ** (-s / parameters.halve_s) - 1e-12)
      }),
    )
  })

  it('goes down quickly and up slowly', () => {
    expect(move(1, 0, 0.02, 2, parameters)).toEqual({ multiplier: 0.5, because: 'falling' })
    expect(move(0.5, 1, 0.02, 10, parameters)).toEqual({ multiplier: 1, because: 'best' })
  })

  it('is left alone for small differences, and whole where the source is as good as the best', () => {
    expect(move(0.5, 0.53, 0.02, 60, parameters)).toEqual({ multiplier: 0.5, because: 'steady' })
    expect(move(1, 0.95, 0.02, 60, parameters)).toEqual({ multiplier: 1, because: 'best' })
  })

  it('rests at the floor and says so', () => {
    expect(move(0.05, 0, 0.05, 1, parameters)).toEqual({ multiplier: 0.05, because: 'floor' })
  })

  it('does not depend on how often it is stepped', () => {
    let often = 1
    for (let step = 0; step < 30; step++) often = move(often, 0, 0.02, 0.1, parameters).multiplier
    expect(often).toBeCloseTo(move(1, 0, 0.02, 3, parameters).multiplier, 9)
  })
})
