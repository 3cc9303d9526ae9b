import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { upperBound } from '@sluice/core/score/bound'
import { standingsAt, type Standing } from '@sluice/core/score/standing'
import type { Tally } from '@sluice/core/score/tally'

const parameters = { throttle_weight: 0.5, confidence: 1, prior: { min: 1, max: 10 }, sharpness: 3 }

const tally = (source: string, stream: string, delivered: number, throttled = 0, blocked = 0): Tally => ({
  source,
  provider: 'google',
  stream,
  delivered,
  throttled,
  blocked,
})

const by = (standings: readonly Standing[], source: string): Standing => {
  const found = standings.find((one) => one.source === source)
  if (!found) throw new Error(`no standing of ${source}`)
  return found
}

const judge = (tallies: readonly Tally[], sources = ['a', 'b', 'c']) =>
  standingsAt(sources, tallies, parameters).standings

const amount = fc.double({ min: 0, max: 1e6, noNaN: true })
const anyTally = fc.record({
  source: fc.constantFrom('a', 'b', 'c'),
  provider: fc.constant('google'),
  stream: fc.constantFrom('bulk', 'order', 'news'),
  delivered: amount,
  throttled: amount,
  blocked: amount,
})
const anyTallies = fc.uniqueArray(anyTally, { selector: ({ source, stream }) => `${source} ${stream}`, maxLength: 9 })

describe('the upper bound of a rate', () => {
  it('lies between the rate and 1, falls with failures and with evidence', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0.1, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        (rate, trials, z) => {
          const bound = upperBound(rate, trials, z)
          expect(bound).toBeGreaterThanOrEqual(rate)
          expect(bound).toBeLessThanOrEqual(1)
          expect(upperBound(rate * 0.9, trials, z)).toBeLessThanOrEqual(bound + 1e-12)
          expect(upperBound(rate, trials * 2, z)).toBeLessThanOrEqual(bound + 1e-12)
        },
      ),
    )
  })
})

describe('the standing of sources with a provider', () => {
  it('is never outside 0..1 and never NaN, whatever the counts', () => {
    const broken = fc.constantFrom(NaN, Infinity, -5, Number.MAX_VALUE, Number.MIN_VALUE)
    const bad = fc.record({
      source: fc.constantFrom('a', 'b', 'zz'),
      provider: fc.constant('google'),
      stream: fc.constantFrom('bulk', ''),
      delivered: fc.oneof(amount, broken),
      throttled: fc.oneof(amount, broken),
      blocked: fc.oneof(amount, broken),
    })
    fc.assert(
      fc.property(fc.array(bad, { maxLength: 12 }), (tallies) => {
        for (const one of judge(tallies)) {
          for (const value of [one.ratio, one.bound, one.reputation]) {
            expect(value).toBeGreaterThanOrEqual(0)
            expect(value).toBeLessThanOrEqual(1)
          }
        }
      }),
    )
  })

  it('does not move in weather that meets all sources alike, whatever they carry and how much', () => {
    const stream = fc.record({
      volumes: fc.tuple(amount, amount, amount),
      throttled: fc.double({ min: 0, max: 0.5, noNaN: true }),
      blocked: fc.double({ min: 0, max: 0.5, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(stream, { minLength: 1, maxLength: 4 }), (streams) => {
        const tallies = streams.flatMap(({ volumes, throttled, blocked }, index) =>
          ['a', 'b', 'c'].map((source, at) => {
            const volume = volumes[at] ?? 0
            const delivered = volume * (1 - throttled - blocked)
            return tally(source, `s${index}`, delivered, volume * throttled, volume * blocked)
          }),
        )
        for (const { reputation } of judge(tallies)) expect(reputation).toBeGreaterThan(0.99)
      }),
    )
  })

  it('never rises by being turned away once more, nor falls by one more delivery', () => {
    const fixed = { ...parameters, prior: { min: 5, max: 5 } }
    fc.assert(
      fc.property(
        anyTallies,
        fc.constantFrom('bulk', 'order', 'news'),
        fc.double({ min: 1, max: 1000, noNaN: true }),
        (tallies, stream, more) => {
          const at = (list: readonly Tally[]) => by(standingsAt(['a', 'b', 'c'], list, fixed).standings, 'a').reputation
          const before = at(tallies)
          expect(at([...tallies, tally('a', stream, 0, 0, more)])).toBeLessThanOrEqual(before + 1e-3)
          expect(at([...tallies, tally('a', stream, more)])).toBeGreaterThanOrEqual(before - 1e-3)
        },
      ),
    )
  })

  it('does not blame a source for the bad stream it carries', () => {
    const standings = judge([tally('a', 'bulk', 500, 0, 500), tally('b', 'bulk', 50, 0, 50), tally('b', 'order', 1000)])
    expect(by(standings, 'a').reputation).toBeGreaterThan(0.95)
    expect(by(standings, 'b').reputation).toBeGreaterThan(0.95)
  })

  it('finds the one that is worse on the same stream', () => {
    const standings = judge([
      tally('a', 'bulk', 500, 0, 500),
      tally('b', 'bulk', 990, 0, 10),
      tally('c', 'bulk', 980, 0, 20),
    ])
    expect(by(standings, 'a').ratio).toBeCloseTo(0.5, 1)
    expect(by(standings, 'a').reputation).toBeLessThan(0.16)
    expect(by(standings, 'b').reputation).toBeGreaterThan(0.98)
    expect(by(standings, 'c').reputation).toBeGreaterThan(0.95)
  })

  it('neither trusts nor damns a source that was hardly heard', () => {
    const standings = judge([tally('a', 'bulk', 0, 0, 1), tally('b', 'bulk', 1000, 0, 5)])
    expect(by(standings, 'a').reputation).toBeGreaterThan(0.7)
    expect(by(standings, 'c').reputation).toBe(1)
  })

  it('holds a slowed-down message for better than one turned away', () => {
    const slowed = judge([tally('a', 'bulk', 500, 500), tally('b', 'bulk', 1000)])
    const turned = judge([tally('a', 'bulk', 500, 0, 500), tally('b', 'bulk', 1000)])
    expect(by(slowed, 'a').reputation).toBeGreaterThan(by(turned, 'a').reputation)
  })

  it('leans less on the others where the sources of the pool really differ', () => {
    const alike = standingsAt(['a', 'b'], [tally('a', 'bulk', 98, 0, 2), tally('b', 'bulk', 97, 0, 3)], parameters)
    const unlike = standingsAt(['a', 'b'], [tally('a', 'bulk', 2, 0, 98), tally('b', 'bulk', 97, 0, 3)], parameters)
    expect(alike.prior).toBe(10)
    expect(unlike.prior).toBeLessThan(5)
  })
})
