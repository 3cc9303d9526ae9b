import { classify, type Reply } from '@sluice/core/bounce/classify'
import { coarseBlame, meanings } from '@sluice/core/bounce/meaning'
import { bounceClasses } from '@sluice/core/bounce/verdict'
import { describe, expect, it } from 'vitest'

import { codeOf, repliesOf, shippedRules } from './rules'

const rules = shippedRules()
const ask = (text: string | string[], more: Partial<Reply> = {}) =>
  classify(rules, { code: codeOf(typeof text === 'string' ? text : (text[0] ?? '')), text, ...more })

describe('classify', () => {
  it.each(repliesOf('replies.yaml'))('knows as %s: %s', (expected, text) => {
    expect(ask(text).class).toBe(expected)
  })

  it.each(repliesOf('documented.yaml'))('knows the documented %s: %s', (expected, text) => {
    expect(ask(text).class).toBe(expected)
  })

  it('lets the words decide where they contradict the enhanced code', () => {
    expect(ask('550 5.7.1 No such user!')).toMatchObject({ class: 'invalid_recipient', hard: true })
    expect(ask('550 5.2.1 The user you are trying to contact is receiving mail too quickly')).toMatchObject({
      class: 'rate_limited',
      blame: 'recipient',
      hard: false,
    })
    expect(ask('552 sorry, mailbox bob@example.com is over quota temporarily (#5.1.1)').class).toBe('mailbox_full')
  })

  it('falls back on the enhanced code, then on code and phase, then on other', () => {
    expect(ask('550 5.1.1 abcdef')).toMatchObject({ class: 'invalid_recipient', rule: 'codes/e-user' })
    expect(ask('521 abcdef')).toMatchObject({ class: 'no_mx_or_host', rule: 'basic/c-no-mail' })
    expect(ask('550 abcdef', { phase: 'rcpt' }).class).toBe('invalid_recipient')
    expect(ask('550 abcdef')).toMatchObject({ class: 'other', blame: 'unknown', hard: false, rule: 'none' })
    expect(ask('', { code: 0 })).toMatchObject({ class: 'other', permanent: false, action: 'retry_later' })
  })

  it('never marks a temporary refusal as hard, nor a class outside the hard ones', () => {
    expect(ask('450 4.1.1 User unknown')).toMatchObject({
      class: 'invalid_recipient',
      hard: false,
      action: 'retry_later',
    })
    expect(ask('550 5.1.1 User unknown')).toMatchObject({ hard: true, permanent: true, action: 'suppress' })
    expect(ask('552 5.2.2 mailbox full')).toMatchObject({ hard: false, permanent: true, action: 'stop' })
    for (const [, text] of repliesOf('replies.yaml')) {
      const verdict = ask(text)
      if (verdict.hard) expect(meanings[verdict.class].hard && verdict.permanent).toBe(true)
    }
  })

  it('believes the caller about permanence, as a report may fail a 4yz reply for good', () => {
    expect(ask('450 4.1.1 User unknown', { permanent: true })).toMatchObject({ hard: true, permanent: true })
    expect(ask('550 5.1.1 User unknown', { permanent: false })).toMatchObject({ hard: false, permanent: false })
  })

  it('blames exactly the scope that Google names', () => {
    const throttled = (scope: string) =>
      ask(`421 4.7.28 Gmail has detected an unusual rate of unsolicited email ${scope}`)
    expect(throttled('originating from your IP Netblock 198.51.100.0/24.')).toMatchObject({
      blame: 'netblock',
      wait_s: 600,
    })
    expect(throttled('originating from your IP address 198.51.100.7.').blame).toBe('ip')
    expect(throttled('originating from your DKIM domain example.com.').blame).toBe('dkim')
    expect(throttled('originating from your SPF domain example.com.').blame).toBe('spf')
    expect(throttled('containing one of your URL domains.').blame).toBe('url')
  })

  it.each([
    ['451 4.7.1 Greylisted, please try again in 5 minutes', 300],
    ['450 4.2.0 <x@example.com>: greylisted for 60 seconds', 60],
    ['451 4.7.1 Greylisting in action, please come back in 00:04:30', 270],
    ['421 4.7.0 Too many connections, retry after 2 hours', 7200],
    ['450 slow down, wait 30s', 30],
  ])('reads the time to wait from: %s', (text, seconds) => {
    expect(ask(text).wait_s).toBe(seconds)
  })

  it('states no time where the reply states none', () => {
    expect(ask('451 4.7.1 Greylisted, please try again later')).not.toHaveProperty('wait_s')
    expect(ask('550 5.1.1 User unknown since 3 days')).not.toHaveProperty('wait_s')
  })

  it('applies words that mean something only at one provider to that provider', () => {
    const text = '550 Mailbox unavailable or access denied'
    expect(ask(text, { provider: 'tencent_qq' })).toMatchObject({ class: 'rate_limited', blame: 'recipient' })
    expect(ask(text).class).toBe('invalid_recipient')
  })

  it('reads replies of several lines, with or without codes', () => {
    const lines = ['550-5.1.1 The email account that you tried to reach does not', '550 5.1.1 exist. - gsmtp']
    expect(ask(lines).class).toBe('invalid_recipient')
    expect(ask(['The email account that you tried to reach', 'does not exist.'], { code: 550 }).class).toBe(
      'invalid_recipient',
    )
    expect(ask(['550-5.7.1 Relaying', '550 5.7.1 denied'], { code: 0 })).toMatchObject({
      class: 'relay_denied',
      permanent: true,
    })
  })

  it('does not take the words of an address for the words of the reply', () => {
    expect(ask('550 5.1.1 <spam.virus-quota@greylisted.example>: Recipient address rejected: User unknown').class).toBe(
      'invalid_recipient',
    )
  })

  it('answers a 2yz reply with delivered', () => {
    expect(ask('250 2.0.0 Ok: queued as 4XYZ')).toMatchObject({ class: 'delivered', blame: 'none', action: 'none' })
  })
})

describe('coarse blame', () => {
  it('has a party for every class', () => {
    for (const bounceClass of bounceClasses) expect(coarseBlame(bounceClass)).toMatch(/^[a-z]+$/)
    expect(coarseBlame('rate_limited')).toBe('reputation')
    expect(coarseBlame('auth_failure')).toBe('config')
  })
})
