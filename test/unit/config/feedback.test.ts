import { describe, expect, it } from 'vitest'

import { readFeedback } from '@sluice/core/config/feedback'

const good = `
keys:
  - { id: 2, secret: { env: SLUICE_KEY_2 } }
  - { id: 1, secret: { file: /run/secrets/sluice-key-1 } }
return_path: { domain: Bounce.Example.com }
addresses: { complaint: [fbl@example.com] }
unsubscribe: { url: https://mail.example.com/u, streams: [news] }
`

describe('feedback.yaml', () => {
  it('is read with its defaults, times in milliseconds and sizes in bytes', () => {
    const config = readFeedback('feedback.yaml', good)
    expect(config?.return_path).toEqual({ domain: 'bounce.example.com', max_age_days: 30 * 86_400_000 })
    expect(config?.intake).toMatchObject({ folder: 'reports', max_size_mb: 10 * 1024 * 1024 })
    expect(config?.suppressed).toBe('reject')
  })

  it('says nothing while everything in it is a comment', () => {
    expect(readFeedback('feedback.yaml', '# keys:\n#   - id: 1\n')).toBeUndefined()
  })

  it.each([
    ['no key', good.replace(/keys:[\s\S]*?(?=return_path)/, ''), 'feedback.yaml:1: keys: '],
    ['a key number used twice', good.replace('id: 1', 'id: 2'), 'feedback.yaml:4: keys.1.id: key 2 is listed twice'],
    ['a secret in the file', good.replace('{ env: SLUICE_KEY_2 }', 'hunter2'), 'feedback.yaml:3: keys.0.secret: '],
    [
      'an unsubscribe link without TLS',
      good.replace('https:', 'http:'),
      'feedback.yaml:7: unsubscribe.url: an https URL',
    ],
    ['an address that is none', good.replace('fbl@example.com', 'nobody'), 'feedback.yaml:6: addresses.complaint.0: '],
  ])('refuses %s', (_what, text, complaint) => {
    expect(() => readFeedback('feedback.yaml', text)).toThrow(complaint)
  })
})
