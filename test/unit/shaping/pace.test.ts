import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { paceOf, takeToken, transitOf } from '@sluice/core/shaping/pace'
import { sayRate, type Rate } from '@sluice/core/shaping/rate'

const t0 = 1_800_000_000_000

/** Takes whenever it may, looking after each of `gaps` ms. */
const takeAll = (rate: Rate, gaps: readonly number[]): number[] => {
  const pace = paceOf(rate)
  const taken: number[] = []
  let due = 0
  let now = t0
  for (const gap of gaps) {
    now += gap
    for (;;) {
      const token = takeToken(due, pace, now)
      if (!token.taken) break
      due = token.due
      taken.push(now)
    }
  }
  return taken
}

const rate = fc.record({
  limit: fc.integer({ min: 1, max: 200 }),
  window_ms: fc.constantFrom(1000, 60_000),
})

describe('a pace', () => {
  it('lets no more than the rate into any window, wherever it begins', () => {
    fc.assert(
      fc.property(rate, fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 80 }), (one, gaps) => {
        const taken = takeAll(one, gaps)
        for (const from of taken) {
          const inside = taken.filter((at) => at >= from && at < from + one.window_ms).length
          expect(inside, sayRate(one)).toBeLessThanOrEqual(one.limit)
        }
      }),
    )
  })

  it('holds as receivers count, although each of them is under way for a different time', () => {
    const lateness = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 400, maxLength: 400 })
    fc.assert(
      fc.property(rate, lateness, (one, late) => {
        const transit = transitOf(one.window_ms)
        const pace = paceOf(one, transit)
        let due = 0
        let now = t0
        const heard = late.map((share) => {
          for (let token = takeToken(due, pace, now); ; token = takeToken(due, pace, now)) {
            if (token.taken) {
              due = token.due
              return now + share * transit
            }
            now += token.wait_ms
          }
        })
        for (const from of heard) {
          const inside = heard.filter((at) => at >= from && at < from + one.window_ms).length
          expect(inside, sayRate(one)).toBeLessThanOrEqual(one.limit)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('uses at least nine tenths of the rate when it is looked at often', () => {
    for (const one of [
      { limit: 50, window_ms: 1000 },
      { limit: 1000, window_ms: 60_000 },
      { limit: 5, window_ms: 1000 },
    ]) {
      const windows = 20
      const gaps = Array<number>((windows * one.window_ms) / 10).fill(10)
      expect(takeAll(one, gaps).length / windows, sayRate(one)).toBeGreaterThanOrEqual(0.9 * one.limit)
    }
  })

  it('says how long to wait', () => {
    const pace = paceOf({ limit: 1, window_ms: 1000 })
    const first = takeToken(0, pace, t0)
    expect(first).toEqual({ taken: true, due: t0 + 1000 })
    expect(takeToken(t0 + 1000, pace, t0 + 400)).toEqual({ taken: false, wait_ms: 600 })
  })
})
