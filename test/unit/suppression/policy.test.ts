import { describe, expect, it } from 'vitest'

import { decideSuppression, type Occasion } from '@sluice/core/suppression/policy'

const day = 86_400_000
const now = 100 * day
const none = { count: 0, first: now }
const occasion = (parts: Partial<Occasion>): Occasion => ({
  kind: 'bounced',
  class: 'invalid_recipient',
  hard: true,
  verified: true,
  at: now,
  ...parts,
})

describe('suppression', () => {
  it('follows a hard bounce, a complaint and an unsubscribe at once and for good', () => {
    expect(decideSuppression(occasion({}), none)).toEqual({ reason: 'hard_bounce' })
    expect(decideSuppression(occasion({ kind: 'oob_bounced' }), none)).toEqual({ reason: 'hard_bounce' })
    expect(decideSuppression(occasion({ kind: 'complained', hard: false }), none)).toEqual({ reason: 'complaint' })
    expect(decideSuppression(occasion({ kind: 'unsubscribed', hard: false }), none)).toEqual({ reason: 'unsubscribe' })
  })

  it('never follows what is not verified', () => {
    for (const kind of ['bounced', 'oob_bounced', 'complained', 'unsubscribed'] as const) {
      expect(decideSuppression(occasion({ kind, verified: false }), { count: 99, first: 0 })).toBeUndefined()
    }
  })

  it('follows a full mailbox only after repeats over days, and lapses', () => {
    const full = occasion({ kind: 'deferred', class: 'mailbox_full', hard: false })
    expect(decideSuppression(full, { count: 1, first: now - 30 * day })).toBeUndefined()
    expect(decideSuppression(full, { count: 9, first: now - 13 * day })).toBeUndefined()
    expect(decideSuppression(full, { count: 2, first: now - 14 * day })).toEqual({
      reason: 'soft_bounces',
      until: now + 90 * day,
    })
  })

  it.each(['spam_content', 'ip_blocked', 'rate_limited', 'receiver_fault', 'policy', 'other'] as const)(
    'never follows %s: the address is not to blame',
    (bounceClass) => {
      const soft = occasion({ class: bounceClass, hard: false })
      expect(decideSuppression(soft, { count: 1000, first: 0 })).toBeUndefined()
    },
  )

  it.each(['delivered', 'accepted', 'opened', 'tried', 'suppressed'] as const)('never follows %s', (kind) => {
    expect(decideSuppression(occasion({ kind }), none)).toBeUndefined()
  })
})
