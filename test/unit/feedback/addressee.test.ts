import { describe, expect, it } from 'vitest'

import { readFeedback, type FeedbackConfig } from '@sluice/core/config/feedback'
import { addresseeOf } from '@sluice/core/feedback/addressee'
import { signReturnPath } from '@sluice/core/identity/return-path'
import type { Keyring } from '@sluice/core/identity/token'

const keys: Keyring = [{ id: 1, secret: Buffer.from('a secret of sixteen bytes') }]
const text = `
keys: [{ id: 1, secret: { env: KEY } }]
return_path: { domain: bounce.test, max_age_days: 10 }
addresses: { bounce: [b@here.test], complaint: [fbl@here.test], report: [dmarc@here.test] }
`
const config = readFeedback('feedback.yaml', text) as FeedbackConfig
const issued = 0x018f_0000_0000
const subject = { message_id: '018f0000-0000-7000-8000-000000000000', recipient: 'a@b.test' }
const returnPath = signReturnPath(keys, 'bounce.test', subject)
const day = 86_400_000
const ask = (address: string, now = issued) => addresseeOf(config, keys, address, now)

describe('an address of ours', () => {
  it('takes reports where it is configured, whatever its letter case', () => {
    expect(ask('B@Here.TEST')).toEqual({ kind: 'takes', role: 'bounce' })
    expect(ask('fbl@here.test')).toEqual({ kind: 'takes', role: 'complaint' })
    expect(ask('dmarc@here.test')).toEqual({ kind: 'takes', role: 'report' })
  })

  it('takes reports where it is a return path of ours', () => {
    expect(ask(returnPath)).toEqual({ kind: 'takes', role: 'return_path' })
    expect(ask(returnPath.toUpperCase())).toEqual({ kind: 'takes', role: 'return_path' })
  })

  it('refuses return paths that are forged, changed or too old', () => {
    expect(ask(returnPath, issued + 11 * day)).toEqual({ kind: 'refuses', fault: 'expired' })
    expect(ask(returnPath.replace('@', 'a@'))).toEqual({ kind: 'refuses', fault: 'malformed' })
    const last = returnPath.indexOf('@') - 2
    const changed = returnPath.slice(0, last) + (returnPath[last] === 'b' ? 'c' : 'b') + returnPath.slice(last + 1)
    expect(ask(changed)).toEqual({ kind: 'refuses', fault: 'forged' })
  })

  it('is none where domain or form are foreign', () => {
    for (const address of ['someone@bounce.test', returnPath.replace('bounce.test', 'other.test'), 'x@here.test', '']) {
      expect(ask(address)).toEqual({ kind: 'stranger' })
    }
  })
})
