import { describe, expect, it } from 'vitest'

import { scopeOf, supersedes } from '@sluice/core/suppression/change'
import { readScope, scopesFor, type Suppression } from '@sluice/core/suppression/entry'
import { softHistory } from '@sluice/core/suppression/soft-history'

const now = Date.UTC(2026, 5, 1)
const day = 86_400_000
const entry = (parts: Partial<Suppression> = {}): Suppression => ({
  address: 'a@b.test',
  scope: { kind: 'global' },
  reason: 'hard_bounce',
  evidence: '',
  since: now - day,
  ...parts,
})

describe('of two entries', () => {
  it.each([
    ['the first stays where both are for good', entry(), entry({ reason: 'complaint' }), false],
    ['one for good replaces one that ends', entry({ until: now + day }), entry({ reason: 'complaint' }), true],
    ['one that ends replaces none for good', entry(), entry({ reason: 'soft_bounces', until: now + day }), false],
    ['the later end stays', entry({ until: now + 2 * day }), entry({ until: now + day }), false],
    ['anything replaces what has lapsed', entry({ until: now }), entry({ until: now + 1 }), true],
    ['an operator has the last word', entry(), entry({ reason: 'operator', until: now + 1 }), true],
    ['a release holds against what came before', entry({ reason: 'released', since: now }), entry(), false],
    ['a release yields to what came later', entry({ reason: 'released', since: now - 2 * day }), entry(), true],
  ])('%s', (_what, known, next, replaced) => {
    expect(supersedes(next, known, now)).toBe(replaced)
  })
})

describe('the scope of a suppression', () => {
  const config = { hard_bounce: 'global', soft_bounces: 'global', complaint: 'tenant', unsubscribe: 'stream' } as const
  it('is what is configured, or the next wider one that is known', () => {
    expect(scopeOf(config, 'hard_bounce', 'acme', 'news')).toEqual({ kind: 'global' })
    expect(scopeOf(config, 'complaint', 'acme', 'news')).toEqual({ kind: 'tenant', name: 'acme' })
    expect(scopeOf(config, 'complaint', '', 'news')).toEqual({ kind: 'global' })
    expect(scopeOf(config, 'unsubscribe', 'acme', 'news')).toEqual({ kind: 'stream', name: 'acme/news' })
    expect(scopeOf(config, 'unsubscribe', '', 'news')).toEqual({ kind: 'stream', name: 'news' })
    expect(scopeOf(config, 'unsubscribe', 'acme', '')).toEqual({ kind: 'tenant', name: 'acme' })
  })

  it('is one of those asked about for a message of that tenant and stream', () => {
    for (const reason of ['hard_bounce', 'complaint', 'unsubscribe'] as const) {
      expect(scopesFor('acme', 'news')).toContainEqual(scopeOf(config, reason, 'acme', 'news'))
    }
    expect(readScope('stream:a/b/news')).toEqual({ kind: 'stream', name: 'a/b/news' })
  })
})

describe('a history of soft failures', () => {
  const failure = (daysAgo: number, message_id: string) => ({ at: now - daysAgo * day, message_id })

  it('counts other messages, not attempts, from the first failure on', () => {
    const failures = [failure(9, 'a'), failure(8, 'a'), failure(7, 'a'), failure(3, 'b'), failure(0, 'c')]
    expect(softHistory(failures, failure(0, 'c'), 0)).toEqual({ count: 2, first: now - 9 * day })
  })

  it('begins anew with a delivery, and knows nothing of what came later', () => {
    const failures = [failure(9, 'a'), failure(3, 'b'), failure(-1, 'd')]
    expect(softHistory(failures, failure(0, 'c'), now - 5 * day)).toEqual({ count: 1, first: now - 3 * day })
  })
})
