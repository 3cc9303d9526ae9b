import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { listingsAt, type Footstep, type Listing } from '@sluice/core/score/listing'

const parameters = { onset: 1e-5, refused_listed: 0.9, refused_clear: 0.01, forgive_s: 300 }
const second = 1000

/** `.` delivered, `x` turned away, one second apart, the last one at `end`. */
const trail = (source: string, signs: string, end = 1_000_000) => ({
  source,
  provider: 'google',
  steps: Array.from(signs, (sign, index): Footstep => ({
    at: end - (signs.length - 1 - index) * second,
    blocked: sign === 'x',
  })),
})

const listing = (signs: Readonly<Record<string, string>>, now = 1_000_000): Listing => {
  const sources = Object.keys(signs)
  const [first] = listingsAt(
    sources,
    sources.map((source) => trail(source, signs[source] ?? '')),
    now,
    parameters,
  )
  if (!first) throw new Error('no listing')
  return first
}

describe('the suspicion of a block listing', () => {
  it('is decided by four refusals in a row, however many were delivered before', () => {
    expect(listing({ a: '............................xxxx', b: '....' }).suspicion).toBeGreaterThan(0.95)
    expect(listing({ a: 'xxxx', b: '....' }).suspicion).toBeGreaterThan(0.95)
  })

  it('is not raised by a single refusal, nor by scattered ones', () => {
    expect(listing({ a: '.........x', b: '....' }).health).toBeGreaterThan(0.99)
    expect(listing({ a: '..x.......x......x........x..', b: '....' }).health).toBeGreaterThan(0.99)
  })

  it('is taken back by a few deliveries', () => {
    expect(listing({ a: 'xxxxxxxxxxxxxxxxxxxx..', b: '....' }).health).toBeLessThan(0.3)
    expect(listing({ a: 'xxxxxxxxxxxxxxxxxxxx.....', b: '....' }).health).toBeGreaterThan(0.95)
  })

  it('counts the recipients of one attempt once', () => {
    const at = 5_000
    const steps = Array.from({ length: 30 }, () => ({ at, blocked: true }))
    const [one] = listingsAt(['a'], [{ source: 'a', provider: 'google', steps }], at, parameters)
    expect(one?.blocked).toBe(1)
    expect(one?.suspicion).toBeLessThan(0.01)
  })

  it('fades while nothing is heard, by half in forgive_s', () => {
    const now = listing({ a: 'xxxxxx', b: '....' }).suspicion
    const later = listing({ a: 'xxxxxx', b: '....' }, 1_000_000 + 300 * second).suspicion
    expect(later / now).toBeCloseTo(0.5, 2)
  })

  it('is not raised where the other sources are refused as well', () => {
    expect(listing({ a: '....xxxxxxxxxxxxxxxx', b: '....xxxxxxxxxxxxxxxx' }).health).toBe(1)
    expect(listing({ a: '.xx.xxx.xxxx.xx.xxxx', b: 'xx.xxx.xx.xxxx.xxxx.' }).health).toBeGreaterThan(0.9)
  })

  it('stays within 0..1 for any trail, and a further refusal never lowers it', () => {
    const steps = fc.array(fc.record({ at: fc.integer({ min: 0, max: 1e7 }), blocked: fc.boolean() }), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(steps, steps, (mine, theirs) => {
        const sorted = [...mine].sort((x, y) => x.at - y.at)
        const at = (list: readonly Footstep[]) =>
          listingsAt(
            ['a', 'b'],
            [
              { source: 'a', provider: 'p', steps: list },
              { source: 'b', provider: 'p', steps: theirs },
            ],
            1e7 + 2,
            parameters,
          )[0]
        const before = at(sorted)
        const after = at([...sorted, { at: 1e7 + 1, blocked: true }])
        for (const one of [before, after]) {
          expect(one?.suspicion).toBeGreaterThanOrEqual(0)
          expect(one?.suspicion).toBeLessThanOrEqual(1)
          expect(one?.health).toBeGreaterThanOrEqual(0)
          expect(one?.health).toBeLessThanOrEqual(1)
        }
        expect(after?.suspicion).toBeGreaterThanOrEqual((before?.suspicion ?? 1) - 1e-9)
      }),
    )
  })
})
