// A suppressed recipient gets no mail: refused at RCPT, left out at the end of data, dropped before delivery; each time
// with a record. Without Redis mail goes on.

import { redisKeys } from '@sluice/core/redis/keys'
import { bucketOf, packSuppression, streamScope, type Suppression } from '@sluice/core/suppression/entry'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'
import { startSluice, type SluiceOptions } from '../../harness/sluice'
import { submit } from '../../harness/submit'
import { Talk } from '../lab/talk'

const internet = `
providers:
  one: { domains: [one.test], mx: [{ host: mx.one.test, address: 127.33.1.1 }] }
`
const egress = `
sources: { a: { ip: 127.33.9.1, ehlo: a.sender.test } }
pools: { main: { a: 1 } }
streams: { news: { pool: main }, receipts: { pool: main } }
default_stream: receipts
`
const feedback = 'keys: [{ id: 7, secret: { env: FEEDBACK_KEY } }]\n'

const start = async (options: Partial<SluiceOptions> & { readonly more?: string; readonly script?: Script } = {}) => {
  const { more = '', script = {}, config, ...rest } = options
  const receiver = await FakeReceiver.listen(script, '127.33.1.1')
  onTestFinished(() => receiver.close())
  const stack = await startSluice({
    internet,
    egress,
    port25: receiver.port,
    env: { FEEDBACK_KEY: 'a secret of at least sixteen bytes', SLUICE_RECIPIENT_KEY: 'recipient key' },
    config: { 'feedback.yaml': feedback + more, ...config },
    ...rest,
  })
  const client = new Redis(stack.redis.url)
  onTestFinished(() => client.disconnect())
  const suppress = async (address: string, entry: Partial<Suppression> = {}): Promise<void> => {
    const whole = {
      scope: { kind: 'global' },
      reason: 'hard_bounce',
      evidence: '',
      since: Date.now(),
      ...entry,
    } as const
    const pairs = packSuppression({ address, ...whole }).flat()
    await client.hset(redisKeys().suppressed(bucketOf(address)), ...pairs.map((text) => Buffer.from(text, 'latin1')))
  }
  return { ...stack, receiver, suppress, hello: () => Talk.hello('127.0.0.1', stack.haraka.port) }
}

test('at RCPT with 550, whoever the mail is from', async () => {
  const { receiver, suppress, hello, recorded } = await start()
  await suppress('gone@one.test', { since: Date.UTC(2026, 0, 2, 3, 4) })
  const talk = await hello()
  await talk.say('MAIL FROM:<a@sender.test>')
  expect(await talk.say('RCPT TO:<Gone@One.test>')).toMatch(
    /^550 5\.7\.1 <Gone@one\.test> is suppressed: hard_bounce since 2026-01-02T03:04Z \(global\)/i,
  )
  expect(await talk.say('RCPT TO:<here@one.test>')).toMatch(/^250/)
  expect(await talk.say('DATA')).toMatch(/^354/)
  expect(await talk.say('Subject: x\r\n\r\nhello\r\n.')).toMatch(/^250/)
  const [delivered] = await recorded('delivered', 1)
  const [suppressed] = await recorded('suppressed', 1)
  expect(suppressed).toMatchObject({
    recipient_domain: 'one.test',
    sender_domain: 'sender.test',
    phase: 'rcpt',
    class_rule: 'suppression/hard_bounce',
    message_id: delivered?.message_id,
  })
  expect(receiver.acceptedRecipients).toEqual(['here@one.test'])
})

test('in the scope of tenant and stream when they are known: the message is refused, or goes to the others', async () => {
  const { haraka, receiver, suppress, recorded } = await start()
  await suppress('anna@one.test', { scope: streamScope('acme', 'news'), reason: 'unsubscribe' })
  const headers = { 'X-Sluice-Tenant': 'acme', 'X-Sluice-Stream': 'news' }
  await expect(submit(haraka.port, { to: 'anna@one.test', headers })).rejects.toThrow(
    /550 5\.7\.1 <anna@one\.test> is suppressed: unsubscribe .*\(stream:acme\/news\)/,
  )
  await submit(haraka.port, { to: ['anna@one.test', 'bert@one.test'], headers })
  await submit(haraka.port, { to: 'anna@one.test', headers: { ...headers, 'X-Sluice-Stream': 'receipts' } })
  await recorded('delivered', 2)
  expect(receiver.acceptedRecipients.toSorted()).toEqual(['anna@one.test', 'bert@one.test'])
  const suppressed = await recorded('suppressed', 2)
  expect(suppressed.map(({ recipient, tenant, stream, phase }) => [recipient, tenant, stream, phase])).toEqual(
    Array(2).fill(['anna@one.test', 'acme', 'news', 'queue']),
  )
  expect(await recorded('accepted', 2)).toHaveLength(2)
})

test('silently, where the operator wants that', async () => {
  const { haraka, receiver, suppress, recorded } = await start({ more: 'suppressed: drop\n' })
  await suppress('gone@one.test')
  expect(await submit(haraka.port, { to: 'gone@one.test' })).toMatch(/^250/)
  await submit(haraka.port, { to: ['gone@one.test', 'here@one.test'] })
  await recorded('delivered', 1)
  expect(receiver.acceptedRecipients).toEqual(['here@one.test'])
  expect(await recorded('suppressed', 2)).toHaveLength(2)
  expect(await recorded('accepted', 1)).toHaveLength(1)
  await vi.waitFor(async () => expect(await haraka.queue()).toEqual([]))
})

test('by the hash of the address, where records say no more', async () => {
  const { haraka, suppress, recorded } = await start({ sluice: 'recipient: hash\n' })
  await submit(haraka.port, { to: 'gone@one.test' })
  const [delivered] = await recorded('delivered', 1)
  await suppress(delivered?.recipient ?? '')
  await expect(submit(haraka.port, { to: 'Gone@one.test' })).rejects.toThrow(/550/)
  const [suppressed] = await recorded('suppressed', 1)
  expect(suppressed?.recipient).toBe(delivered?.recipient)
})

test('no more when the suppression has lapsed', async () => {
  const { haraka, suppress, recorded } = await start()
  await suppress('back@one.test', { until: Date.now() })
  await submit(haraka.port, { to: 'back@one.test' })
  await recorded('delivered', 1)
})

test('after the fact: what waits is dropped when its recipient is suppressed meanwhile; Redis away delays nobody', async () => {
  const { haraka, redis, receiver, suppress, recorded } = await start({
    script: { nth: () => undefined, rcpt: (address) => (address === 'late@one.test' ? '450 4.2.1 later' : undefined) },
    limits: 'retry: { schedule: [4s] }',
  })
  await submit(haraka.port, { to: 'warm@one.test' })
  redis.pause()
  const begin = performance.now()
  await submit(haraka.port, { to: ['late@one.test', 'other@one.test'] })
  await submit(haraka.port, { to: 'more@one.test' })
  expect(performance.now() - begin).toBeLessThan(1000)
  await haraka.logged(/recipients go on unchecked/)
  await recorded('deferred', 1)
  redis.resume()
  await haraka.logged(/redis: back/)
  await suppress('late@one.test', { reason: 'complaint' })
  const [suppressed] = await recorded('suppressed', 1)
  expect(suppressed).toMatchObject({ recipient: 'late@one.test', class_rule: 'suppression/complaint', phase: 'queue' })
  await vi.waitFor(async () => expect(await haraka.queue()).toEqual([]))
  expect(receiver.acceptedRecipients.toSorted()).toEqual(['more@one.test', 'other@one.test', 'warm@one.test'])
})
