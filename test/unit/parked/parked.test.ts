import { describe, expect, it } from 'vitest'

import { parkedRequestSchema, type ParkedGroup } from '@sluice/core/parked/exchange'
import { isEmptyFilter, matchesFilter } from '@sluice/core/parked/filter'
import { GroupCounter } from '@sluice/core/parked/groups'

const traits = {
  source: 'a',
  provider: 'google',
  stream: 'bulk',
  tenant: 'acme',
  campaign: '',
  domain: 'one.test',
  queue_id: 'Q.1',
}

describe('a filter of parked mail', () => {
  it('means what all of its conditions mean, and everything where there is none', () => {
    expect(matchesFilter(traits, { source: 'a', tenant: 'acme' })).toBe(true)
    expect(matchesFilter(traits, { source: 'a', tenant: 'other' })).toBe(false)
    expect(matchesFilter(traits, { campaign: undefined })).toBe(true)
    expect([isEmptyFilter({ campaign: undefined }), isEmptyFilter({ stream: 'bulk' })]).toEqual([true, false])
  })
})

describe('groups of parked mail', () => {
  const group = (provider: string, count: number, oldest_at: number): ParkedGroup => ({
    source: '',
    provider,
    stream: 'bulk',
    tenant: '',
    campaign: '',
    reason: 'suspended',
    count,
    oldest_at,
  })

  it('are counted together over workers, the largest first, the rest as a number', () => {
    const counter = new GroupCounter()
    for (const one of [group('google', 1, 9), group('yahoo', 5, 3), group('google', 7, 4), group('one', 2, 1)]) {
      counter.add(one)
    }
    expect(counter.result(2)).toEqual({ groups: [group('google', 8, 4), group('yahoo', 5, 3)], others: 2 })
  })
})

describe('a request about parked mail', () => {
  const base = { id: '018f4e1a-1111-7000-8000-000000000001', until: 1, filter: {} }

  it('is refused where it names no target, no condition that exists, or too large a sample', () => {
    const ok = (request: object): boolean => parkedRequestSchema.safeParse({ ...base, ...request }).success
    expect(ok({ verb: 'move', to: { pool: 'main' } })).toBe(true)
    expect(ok({ verb: 'move', to: {} })).toBe(false)
    expect(ok({ verb: 'flush', filter: { color: 'red' } })).toBe(false)
    expect(ok({ verb: 'list', sample: 100_000 })).toBe(false)
    expect(ok({ verb: 'drop', bounce: true })).toBe(false)
  })
})
