import { describe, expect, it } from 'vitest'

import { readFeedback, type FeedbackConfig } from '@sluice/core/config/feedback'
import { feedbackHeaders } from '@sluice/core/feedback/headers'
import { verifyHeaderToken } from '@sluice/core/identity/header-token'
import { linkIn, verifyUnsubscribe } from '@sluice/core/identity/unsubscribe-link'
import type { Keyring } from '@sluice/core/identity/token'

const keys: Keyring = [{ id: 1, secret: Buffer.from('a secret of sixteen bytes') }]
const config = readFeedback(
  'feedback.yaml',
  `
keys: [{ id: 1, secret: { env: KEY } }]
headers: { feedback_id: acme, cfbl_address: fbl@here.test }
unsubscribe: { url: https://here.test/u/, streams: [news] }
`,
) as FeedbackConfig
const issued = 0x018f_0000_0000
const tag = {
  message_id: '018f0000-0000-7000-8000-000000000000',
  stream: 'news',
  tenant: 'a shop: of things',
  campaign: 'may',
  header_message_id: '',
  size: 0,
}

const headersOf = (given: Record<string, string> = {}, recipients = ['anna@there.test'], stream = 'news') => {
  const { add, remove } = feedbackHeaders(config, keys, {
    tag: { ...tag, stream },
    recipients,
    header: (name) => given[name],
  })
  return { ...Object.fromEntries(add), remove } as Record<string, string> & { remove: readonly string[] }
}
const verify = (token = '') => {
  const verified = verifyHeaderToken(keys, token, issued, 1000)
  if (!verified.ok) throw new Error(verified.fault)
  return verified
}

describe('a message that leaves', () => {
  it('carries a token that leads back to it and to its one recipient', () => {
    const verified = verify(headersOf()['X-Sluice-Token'])
    expect(verified.message_id).toBe(tag.message_id)
    expect(verified.isFor('Anna@There.test')).toBe(true)
    expect(verified.isFor('bert@there.test')).toBe(false)
  })

  it('with several recipients carries a token for none of them, and no link', () => {
    const headers = headersOf({}, ['anna@there.test', 'bert@there.test'])
    const verified = verify(headers['X-Sluice-Token'])
    expect(verified.several).toBe(true)
    expect(verified.isFor('anna@there.test')).toBe(false)
    expect(headers['List-Unsubscribe']).toBeUndefined()
  })

  it('says campaign, tenant, stream and sender to Google, in words without colons', () => {
    expect(headersOf()['Feedback-ID']).toBe('may:a_shop_of_things:news:acme')
    expect(headersOf({ 'Feedback-ID': 'a:b:c:d' })['Feedback-ID']).toBeUndefined()
  })

  it('says where complaints go (RFC 9477), unless it does so already', () => {
    const headers = headersOf()
    expect(headers['CFBL-Address']).toBe('fbl@here.test; report=arf')
    expect(headers['CFBL-Feedback-ID']).toBe(headers['X-Sluice-Token'])
    const theirs = headersOf({ 'CFBL-Address': 'me@there.test' })
    expect(theirs['CFBL-Address']).toBeUndefined()
    expect(theirs.remove).not.toContain('CFBL-Feedback-ID')
  })

  it('carries a one-click link (RFC 8058) that only its recipient can have got', () => {
    const headers = headersOf()
    expect(headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click')
    expect(headers['List-Unsubscribe']).toMatch(/^<https:\/\/here\.test\/u\/[^/]*>$/)
    const link = linkIn(headers['List-Unsubscribe'] ?? '') ?? ''
    expect(verifyUnsubscribe(keys, link, issued, 1000)).toEqual({
      ok: true,
      message_id: tag.message_id,
      recipient: 'anna@there.test',
    })
    const another = `${link.split('.')[0]}.${Buffer.from('bert@there.test').toString('base64url')}`
    expect(verifyUnsubscribe(keys, another, issued, 1000)).toEqual({ ok: false, fault: 'forged' })
    expect(verifyUnsubscribe(keys, 'anything', issued, 1000)).toEqual({ ok: false, fault: 'malformed' })
    expect(verifyUnsubscribe(keys, link, issued + 2000, 1000)).toEqual({ ok: false, fault: 'expired' })
  })

  it('keeps a link of its own, and gets ours in front of a mere mail address', () => {
    expect(
      headersOf({ 'List-Unsubscribe': '<https://theirs.test/u>, <mailto:u@theirs.test>' })['List-Unsubscribe'],
    ).toBe(undefined)
    const mixed = headersOf({ 'List-Unsubscribe': '<mailto:u@theirs.test?subject=out>' })
    expect(mixed['List-Unsubscribe']).toMatch(/^<https:\/\/here\.test\/u\/\S+>, <mailto:u@theirs\.test\?subject=out>$/)
    expect(mixed.remove).toContain('List-Unsubscribe')
  })

  it('carries no link where its stream asks for none', () => {
    expect(headersOf({}, ['anna@there.test'], 'receipts')['List-Unsubscribe']).toBeUndefined()
  })

  it('loses a token that somebody else wrote', () => {
    expect(headersOf().remove).toContain('X-Sluice-Token')
  })
})
