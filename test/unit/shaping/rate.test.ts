import { describe, expect, it } from 'vitest'

import { duration, parseDuration, sayDuration } from '@sluice/core/shaping/duration'
import { parseRate, rates, sayRate } from '@sluice/core/shaping/rate'

describe('a rate', () => {
  it.each([
    ['50/s', 50, 1000],
    ['50/sec', 50, 1000],
    ['1,000/min', 1000, 60_000],
    ['10_000/hr', 10_000, 3_600_000],
    ['20 / hour', 20, 3_600_000],
    ['5000/day', 5000, 86_400_000],
    ['5000/D', 5000, 86_400_000],
  ])('reads %s', (text, limit, window_ms) => {
    expect(parseRate(text)).toEqual({ limit, window_ms })
  })

  it.each(['', '50', '50/', '/s', '0/s', '-1/s', '1.5/s', '50/fortnight', '5e3/s', '99999999999999999999/s'])(
    'refuses %j',
    (text) => {
      expect(parseRate(text)).toBeUndefined()
    },
  )

  it('is written as it was read', () => {
    for (const text of ['50/s', '1000/min', '20/h', '5000/day']) {
      expect(sayRate(parseRate(text) ?? { limit: 0, window_ms: 0 })).toBe(text)
    }
  })

  it('comes alone or in a list, the shortest window first', () => {
    expect(rates.parse('50/s')).toEqual([{ limit: 50, window_ms: 1000 }])
    expect(rates.parse(['9000/day', '50/s', '1000/min']).map(sayRate)).toEqual(['50/s', '1000/min', '9000/day'])
  })

  it('does not say two things of one window', () => {
    expect(rates.safeParse(['50/s', '60/sec']).success).toBe(false)
  })
})

describe('a duration', () => {
  it.each([
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['4d', 345_600_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '5', 'm', '5 parsecs', '-5m', '5m-', '1s'.repeat(40)])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  it('is a plain number of seconds too, and stays within its bounds', () => {
    const field = duration(1000, 60_000)
    expect(field.parse(5)).toBe(5000)
    expect(field.safeParse('2m').success).toBe(false)
    expect(field.safeParse(0.5).success).toBe(false)
    expect(field.safeParse(Number.NaN).success).toBe(false)
  })

  it('is said shortly', () => {
    expect(sayDuration(5_400_000)).toBe('1h30m')
    expect(sayDuration(345_600_000)).toBe('4d')
    expect(sayDuration(0)).toBe('0s')
  })
})
