import { describe, expect, it } from 'vitest'

import { countFor } from '@sluice/core/score/tally'

describe('what an outcome says of its source', () => {
  it.each([
    ['delivered', 'delivered', 'none', 'delivered'],
    ['deferred', 'rate_limited', 'ip', 'throttled'],
    ['deferred', 'rate_limited', 'unknown', 'throttled'],
    ['deferred', 'ip_blocked', 'netblock', 'blocked'],
    ['bounced', 'ip_blocked', 'unknown', 'blocked'],
    ['bounced', 'policy', 'ip', 'blocked'],
    ['deferred', 'policy', 'ip', 'throttled'],
    ['expired', 'rate_limited', 'ip', 'throttled'],
  ] as const)('%s %s by blame of %s counts as %s', (kind, bounceClass, blame, counted) => {
    expect(countFor(kind, bounceClass, blame)).toBe(counted)
  })

  it.each([
    ['bounced', 'invalid_recipient', 'recipient'],
    ['bounced', 'spam_content', 'content'],
    ['deferred', 'receiver_fault', 'receiver'],
    ['deferred', 'connection_failure', 'connection'],
    ['deferred', 'rate_limited', 'stream'],
    ['bounced', 'ip_blocked', 'dkim'],
    ['bounced', 'other', 'unknown'],
    ['tried', 'ip_blocked', 'ip'],
    ['opened', 'delivered', 'none'],
  ] as const)('%s %s by blame of %s says nothing', (kind, bounceClass, blame) => {
    expect(countFor(kind, bounceClass, blame)).toBeUndefined()
  })
})
