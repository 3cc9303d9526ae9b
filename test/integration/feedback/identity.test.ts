// What a real Haraka gives to receivers: return paths that are ours and bound to the recipient, header tokens, links;
// signed by DKIM; and bounces that still reach whoever sent the mail.

import { generateKeyPairSync } from 'node:crypto'

import { verifyHeaderToken } from '@sluice/core/identity/header-token'
import { verifyReturnPath } from '@sluice/core/identity/return-path'
import type { Keyring } from '@sluice/core/identity/token'
import { linkIn, verifyUnsubscribe } from '@sluice/core/identity/unsubscribe-link'
import { expect, onTestFinished, test, vi } from 'vitest'

import { FakeReceiver, type Accepted, type Script } from '../../harness/fake-receiver'
import { startSluice, type SluiceOptions } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const secret = 'a secret of at least sixteen bytes'
const keys: Keyring = [{ id: 7, secret: Buffer.from(secret) }]
const day = 86_400_000

const internet = `
providers:
  one: { domains: [one.test, two.test, back.test], mx: [{ host: mx.one.test, address: 127.32.1.1 }] }
`
const egress = `
sources: { a: { ip: 127.32.9.1, ehlo: a.sender.test } }
pools: { main: { a: 1 } }
streams:
  bulk: { pool: main }
  plain: { pool: main }
default_stream: bulk
`
const feedback = `
keys: [{ id: 7, secret: { env: FEEDBACK_KEY } }]
return_path: { domain: bounce.test, streams: [bulk] }
headers: { feedback_id: acme, cfbl_address: fbl@here.test }
unsubscribe: { url: https://here.test/u, streams: [bulk] }
`

const start = async (script: Script = {}, options: Partial<SluiceOptions> = {}) => {
  const receiver = await FakeReceiver.listen(script, '127.32.1.1')
  onTestFinished(() => receiver.close())
  const { config, ...rest } = options
  const stack = await startSluice({
    internet,
    egress,
    port25: receiver.port,
    env: { FEEDBACK_KEY: secret },
    config: { 'feedback.yaml': feedback, ...config },
    ...rest,
  })
  const taken = async (count: number): Promise<Accepted[]> => {
    await vi.waitFor(() => expect(receiver.accepted.length).toBeGreaterThanOrEqual(count), { timeout: 15_000 })
    return receiver.accepted
  }
  return { ...stack, receiver, taken }
}

const verify = (returnPath = '') => {
  const [local = '', domain] = returnPath.split('@')
  expect(domain).toBe('bounce.test')
  const verified = verifyReturnPath(keys, local, Date.now(), day)
  if (!verified.ok) throw new Error(`${returnPath}: ${verified.fault}`)
  return verified
}
const headerOf = ({ content }: Accepted, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\r$`, 'im').exec(content)?.[1]

test('return path, token and link lead back to the message and its recipient', async () => {
  const { haraka, taken, recorded } = await start()
  await submit(haraka.port, {
    to: 'Anna@one.test',
    headers: { 'X-Sluice-Campaign': 'may', 'X-Sluice-Token': 'forged' },
  })
  const [message] = await taken(1)
  if (!message) throw new Error('nothing taken')
  const [record] = await recorded('delivered', 1)
  expect(record).toMatchObject({ sender_domain: 'sender.test', recipient: 'Anna@one.test' })

  const path = verify(message.from)
  expect(path.message_id).toBe(record?.message_id)
  expect(path.isFor('anna@one.test')).toBe(true)
  const token = headerOf(message, 'X-Sluice-Token') ?? ''
  const verified = verifyHeaderToken(keys, token, Date.now(), day)
  expect(verified).toMatchObject({ ok: true, message_id: record?.message_id })
  expect(message.content.match(/^X-Sluice/gim)).toHaveLength(1)

  expect(headerOf(message, 'Feedback-ID')).toBe('may::bulk:acme')
  expect(headerOf(message, 'CFBL-Address')).toBe('fbl@here.test; report=arf')
  expect(headerOf(message, 'CFBL-Feedback-ID')).toBe(token)
  expect(headerOf(message, 'List-Unsubscribe-Post')).toBe('List-Unsubscribe=One-Click')
  const link = linkIn(headerOf(message, 'List-Unsubscribe') ?? '') ?? ''
  expect(verifyUnsubscribe(keys, link, Date.now(), day)).toEqual({
    ok: true,
    message_id: record?.message_id,
    recipient: 'anna@one.test',
  })
})

test('each queue file has a return path of its own: bound to the recipient where there is one', async () => {
  const { haraka, taken } = await start()
  await submit(haraka.port, { to: ['anna@one.test', 'bert@one.test', 'carl@two.test'] })
  const messages = await taken(2)
  const of = (recipient: string) => verify(messages.find(({ recipients }) => recipients.includes(recipient))?.from)
  expect(of('anna@one.test')).toMatchObject({ several: true, message_id: of('carl@two.test').message_id })
  expect(of('carl@two.test').isFor('carl@two.test')).toBe(true)
})

test('mail of the null sender and of other streams keeps its sender', async () => {
  const { haraka, taken } = await start()
  await submit(haraka.port, { from: '', to: 'anna@one.test', message: 'Subject: auto\r\n\r\nI am away\r\n' })
  const [auto] = await taken(1)
  expect(auto?.from).toBe('')
  expect(auto?.content).not.toMatch(/X-Sluice-Token|List-Unsubscribe|Feedback-ID/i)
  await submit(haraka.port, { to: 'anna@one.test', headers: { 'X-Sluice-Stream': 'plain' } })
  const [, plain] = await taken(2)
  expect(plain?.from).toBe('sender@sender.test')
  expect(plain?.content).toMatch(/X-Sluice-Token/)
  expect(plain?.content).not.toMatch(/List-Unsubscribe/i)
})

test('a bounce that Haraka makes goes to whoever sent the mail, from the null sender', async () => {
  const { haraka, taken, recorded } = await start({
    rcpt: (address) => (address.startsWith('nobody') ? '550 5.1.1 no such user' : undefined),
  })
  await submit(haraka.port, { from: 'author@back.test', to: ['nobody@one.test', 'anna@one.test'] })
  const messages = await taken(2)
  const bounce = messages.find(({ recipients }) => recipients.includes('author@back.test'))
  expect(bounce?.from).toBe('')
  expect(bounce?.content).toContain('nobody@one.test')
  verify(messages.find(({ recipients }) => recipients.includes('anna@one.test'))?.from)
  await recorded('bounced', 1)
  expect(await haraka.queue()).toEqual([])
})

test('DKIM signs what was added', async () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const headers = 'From, List-Unsubscribe, List-Unsubscribe-Post, Feedback-ID, CFBL-Address, CFBL-Feedback-ID'
  const { haraka, taken } = await start(
    {},
    {
      plugins: ['dkim'],
      config: {
        'dkim.ini': `[sign]\nenabled=true\nselector=s\ndomain=sender.test\nheaders=${headers}\n[verify]\nenabled=false\n`,
        'dkim.private.key': privateKey,
      },
    },
  )
  await submit(haraka.port, { to: 'anna@one.test' })
  const [message] = await taken(1)
  const signed = /DKIM-Signature:[^]*?\bh=([^;]*);/
    .exec(message?.content ?? '')?.[1]
    ?.replace(/\s/g, '')
    .split(':')
  expect(signed?.map((name) => name.toLowerCase())).toEqual(expect.arrayContaining(headers.toLowerCase().split(', ')))
})
