import { describe, expect, it } from 'vitest'

import { holdOf, questionFor, sayHold } from '@sluice/core/suppression/check'
import { packSuppression, scopesFor, streamScope, type Suppression } from '@sluice/core/suppression/entry'

const now = Date.UTC(2026, 5, 1, 12)
const minute = 60_000

/** What Redis would answer. */
const ask = (listed: readonly Suppression[], name: string, tenant = 'acme', stream = 'news') => {
  const scopes = scopesFor(tenant, stream)
  const stored = new Map(listed.flatMap(packSuppression))
  const { fields } = questionFor(name, scopes)
  return holdOf(
    scopes,
    fields.map((field) => stored.get(field) ?? null),
    now,
  )
}
const entry = (more: Partial<Suppression> = {}): Suppression => ({
  address: 'anna@example.com',
  scope: { kind: 'global' },
  reason: 'hard_bounce',
  evidence: '0199c0de-1234-7abc-8def-0123456789ab',
  since: now - 60 * minute,
  ...more,
})

describe('a recipient', () => {
  it('is suppressed in every scope that applies to the message, whatever the letter case', () => {
    for (const scope of [
      { kind: 'global' } as const,
      { kind: 'tenant', name: 'acme' } as const,
      streamScope('', 'news'),
      streamScope('acme', 'news'),
    ]) {
      expect(ask([entry({ scope })], 'Anna@Example.com')).toEqual({
        scope,
        reason: 'hard_bounce',
        since: now - 60 * minute,
      })
    }
  })

  it('is not suppressed by what holds for another tenant, stream or recipient', () => {
    const others = [
      entry({ scope: { kind: 'tenant', name: 'other' } }),
      entry({ scope: streamScope('', 'receipts') }),
      entry({ scope: streamScope('other', 'news') }),
      entry({ address: 'bert@example.com' }),
    ]
    expect(ask(others, 'anna@example.com')).toBeUndefined()
  })

  it('is free again when the suppression has lapsed', () => {
    expect(ask([entry({ until: now + minute })], 'anna@example.com')).toBeDefined()
    expect(ask([entry({ until: now })], 'anna@example.com')).toBeUndefined()
  })

  it('is told the widest scope where several hold', () => {
    const scope = { kind: 'tenant', name: 'acme' } as const
    expect(ask([entry({ scope }), entry()], 'anna@example.com')?.scope.kind).toBe('global')
  })

  it('is free where the content is not ours', () => {
    const scopes = scopesFor('', 'news')
    for (const broken of ['', 'x', '9 a b ', ' a  ', '0 zz']) expect(holdOf(scopes, [broken], now)).toBeUndefined()
  })
})

it('a hold is said with its reason, since when, and where', () => {
  const hold = { scope: streamScope('acme', 'news'), reason: 'unsubscribe', since: now } as const
  expect(sayHold(hold)).toBe('unsubscribe since 2026-06-01T12:00Z (stream:acme/news)')
})
