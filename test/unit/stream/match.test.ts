import { describe, expect, it } from 'vitest'

import { readEgress } from '@sluice/core/config/egress'
import { matchStream, type Submission } from '@sluice/core/stream/match'

const config = readEgress(
  'egress.yaml',
  `
sources: { a: { ip: 127.0.1.1, ehlo: a.example.com } }
pools: { main: { a: 1 } }
streams:
  receipts: { match: { user: [shop], sender_domain: [shop.example] }, pool: main }
  news: { match: { sender_domain: .news.example }, pool: main }
  tagged: { match: { header: { X-Kind: Bulk } }, pool: main }
  rest: { pool: main }
default_stream: rest
`,
)

const submission = (parts: Omit<Submission, 'header'>, headers: Record<string, string> = {}): Submission => ({
  ...parts,
  header: (name) => headers[name],
})

describe('the stream of a message', () => {
  it('is the one its header names, before anything else', () => {
    const named = submission({ sender_domain: 'a.news.example' }, { 'X-Sluice-Stream': 'receipts' })
    expect(matchStream(config, named)).toBe('receipts')
  })

  it('is not changed by a header that names no stream', () => {
    for (const wrong of ['ghost', '__proto__', 'constructor', '']) {
      expect(matchStream(config, submission({}, { 'X-Sluice-Stream': wrong }))).toBe('rest')
    }
  })

  it('needs every condition the stream states', () => {
    expect(matchStream(config, submission({ user: 'shop', sender_domain: 'SHOP.example' }))).toBe('receipts')
    expect(matchStream(config, submission({ user: 'shop', sender_domain: 'other.example' }))).toBe('rest')
  })

  it('matches a domain and the names below it when written with a leading dot', () => {
    expect(matchStream(config, submission({ sender_domain: 'a.news.example' }))).toBe('news')
    expect(matchStream(config, submission({ sender_domain: 'news.example' }))).toBe('news')
    expect(matchStream(config, submission({ sender_domain: 'fakenews.example' }))).toBe('rest')
  })

  it('compares header values without regard to letter case', () => {
    expect(matchStream(config, submission({}, { 'X-Kind': 'bulk' }))).toBe('tagged')
  })
})
