import { describe, expect, it } from 'vitest'

import { Allowance } from '@sluice/core/feedback/allowance'

const limits = { perMinute: 4, perMinutePerClient: 2 }
const start = 1_800_000_000_000

describe('the allowance of reports', () => {
  it('is limited for each client and over all', () => {
    const allowance = new Allowance()
    const take = (client: string) => allowance.take(client, limits, start)
    expect([take('a'), take('a'), take('a')]).toEqual([true, true, false])
    expect([take('b'), take('b')]).toEqual([true, true])
    expect(take('c')).toBe(false)
  })

  it('comes back evenly', () => {
    const allowance = new Allowance()
    for (let n = 0; n < 2; n++) allowance.take('a', limits, start)
    expect(allowance.take('a', limits, start + 29_000)).toBe(false)
    expect(allowance.take('a', limits, start + 30_000)).toBe(true)
    expect(allowance.take('a', limits, start + 30_000)).toBe(false)
  })

  it('is no larger than a minute after a long rest, and no smaller when the clock jumps back', () => {
    const allowance = new Allowance()
    allowance.take('a', limits, start)
    const later = start + 86_400_000
    expect([0, 1, 2].map(() => allowance.take('a', limits, later))).toEqual([true, true, false])
    expect(allowance.take('a', limits, start)).toBe(false)
  })

  it('does not give a refused client a fresh start when thousands of others come', () => {
    const allowance = new Allowance()
    const wide = { perMinute: 1_000_000, perMinutePerClient: 1 }
    allowance.take('a', wide, start)
    for (let n = 0; n < 9_999; n++) allowance.take(`other-${n}`, wide, start)
    expect(allowance.take('a', wide, start)).toBe(false)
  })
})
