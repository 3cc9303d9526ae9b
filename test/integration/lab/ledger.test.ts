// Under fire: many clients at once meet every kind of refusal and disruption, each keeping a ledger of what it was told.
// The truth must agree with the ledgers to the recipient.

import { diceOf } from '@sluice/lab/dice'
import { expect, test } from 'vitest'

import { first, labOf, oneProvider, second } from './small'
import { Talk } from './talk'

const hostile = `
latency: { rcpt: { ms: 0, jitter_ms: 2 } }
behaviour:
  connection_limit: { max: 6 }
  messages_per_connection: { max: 7 }
  unknown_users: { share: 0.1 }
  full_mailboxes: { share: 0.1 }
  content: { markers: [{ header: X-Spam, contains: 'yes' }] }
  message_rate: { at: dot, windows: [{ max: 30, per_s: 0.2 }], reply: '451 4.7.0 slow down' }
  disruptions:
    - { at: dot, share: 0.03, how: close }
    - { at: dot, share: 0.03, how: reset }
    - { at: rcpt, share: 0.01, how: reset }
  failures:
    - { at: banner, share: 0.05, reply: '421 4.3.2 not now' }
    - { at: mail, share: 0.03, reply: '451 4.3.0 no' }
    - { at: mail, share: 0.02, reply: '421 4.3.0 bye' }
    - { at: rcpt, share: 0.02, reply: '421 4.3.0 bye' }
    - { at: data, share: 0.03, reply: '452 4.3.1 full' }
`

interface Ledger {
  delivered: number
  deferred: number
  bounced: number
  unanswered: number
  mailRefused: number
  bannerRefused: number
}

type Verdict = 'delivered' | 'deferred' | 'bounced' | 'unanswered'

const verdictOf = (reply: string): Verdict =>
  reply === 'over' ? 'unanswered' : reply.startsWith('2') ? 'delivered' : reply.startsWith('4') ? 'deferred' : 'bounced'

/** Sends one message; false when the connection is over. */
const sendOne = async (talk: Talk, recipients: readonly string[], spam: boolean, ledger: Ledger): Promise<boolean> => {
  const mail = await talk.say('MAIL FROM:<a@sender.example>')
  if (!mail.startsWith('2')) {
    ledger.mailRefused++
    return !mail.startsWith('421')
  }
  let accepted = 0
  for (const recipient of recipients) {
    const reply = await talk.say(`RCPT TO:<${recipient}>`)
    if (reply.startsWith('2')) accepted++
    else if (reply.startsWith('421') || reply === 'over') {
      // it answers the recipients accepted before it as well
      ledger[verdictOf(reply)] += accepted + 1
      return false
    } else ledger[verdictOf(reply)]++
  }
  const data = await talk.say('DATA')
  if (!data.startsWith('354')) {
    ledger[verdictOf(data)] += accepted
    if (accepted === 0) await talk.say('RSET')
    return true
  }
  const final = await talk.say(`Subject: x\r\nX-Spam: ${spam ? 'yes' : 'no'}\r\n\r\nbody\r\n.`)
  ledger[verdictOf(final)] += accepted
  return final !== 'over'
}

test('the truth agrees with what 8 clients were told about 2,000 messages', async () => {
  const lab = await labOf(oneProvider(hostile), { seed: 'ledger' })
  const ledger: Ledger = { delivered: 0, deferred: 0, bounced: 0, unanswered: 0, mailRefused: 0, bannerRefused: 0 }
  const client = async (name: string): Promise<void> => {
    const dice = diceOf('clients', name)
    let talk: Talk | undefined
    for (let sent = 0; sent < 250; sent++) {
      while (!talk) {
        const fresh = Talk.to(dice() < 0.5 ? first : second, lab.port)
        if ((await fresh.reply()).startsWith('220')) {
          talk = fresh
          await talk.say(`EHLO ${name}`)
        } else {
          ledger.bannerRefused++
          await fresh.ended
        }
      }
      const recipients = Array.from(
        { length: 1 + Math.floor(dice() * 3) },
        () => `u${Math.floor(dice() * 1e6)}@one.test`,
      )
      const usable = await sendOne(talk, recipients, dice() < 0.05, ledger)
      if (usable && dice() < 0.9) continue
      if (usable) await talk.quit()
      else await talk.ended
      talk = undefined
    }
    await talk?.quit()
  }
  await Promise.all(Array.from({ length: 8 }, (_, i) => client(`client${i}`)))
  await expect.poll(() => lab.truth.attendance.of('one', '127.0.0.1')?.open).toBe(0)

  const { tally } = lab.truth
  expect({
    delivered: tally.count({ verdict: 'delivered' }),
    deferred: tally.count({ verdict: 'deferred' }),
    bounced: tally.count({ verdict: 'bounced' }),
    unanswered: tally.count({ verdict: 'unanswered' }),
    mailRefused: tally.count({ unit: 'message' }),
    bannerRefused: tally.count({ unit: 'refusal', stage: 'banner' }),
  }).toEqual(ledger)
  // every kind was met
  for (const count of Object.values(ledger)) expect(count).toBeGreaterThan(10)
})
