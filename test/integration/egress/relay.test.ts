// Relays that fail cost no message: connection refused, credentials refused, no secure channel. Each message leaves at
// once by another source of the pool, without a failed attempt; what was tried is recorded under the relay's name.

import { freePort } from '@sluice/run/port'
import { expect, onTestFinished, test, vi } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'
import { startSluice, type SluiceStack } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.33.1.1 }]
    service: { starttls: false }
  two:
    domains: [two.test]
    mx: [{ host: mx.two.test, address: 127.33.1.2 }]
`

const relayed = (relay: string, pool = '{ relay: 1, direct: 1 }') => `
sources:
  relay: { relay: { host: 127.33.5.1, ${relay} } }
  direct: { ip: 127.33.9.1, ehlo: direct.sender.test }
pools:
  main: ${pool}
  spare: { direct: 1 }
streams:
  bulk: { pool: main }
  careful: { match: { header: { X-Kind: careful } }, pool: main, fallback: [spare] }
default_stream: bulk
`

const relayAt = async (script: Script, port = 0): Promise<FakeReceiver> => {
  const receiver = await FakeReceiver.listen(script, '127.33.5.1', port)
  onTestFinished(() => receiver.close())
  return receiver
}

let sent = 0
const send = (stack: SluiceStack, count: number, headers: Record<string, string> = {}) =>
  Promise.all(Array.from({ length: count }, () => submit(stack.haraka.port, { to: `user${++sent}@one.test`, headers })))

/** All delivered by the direct source at the first attempt, nothing deferred, the relay's refusals recorded. */
const expectNoLoss = async (stack: SluiceStack, count: number): Promise<void> => {
  const delivered = await stack.recorded('delivered', count)
  expect(delivered).toHaveLength(count)
  expect(delivered.every((one) => one.source === 'direct' && one.attempt === 1)).toBe(true)
  expect(stack.lab.truth.recipients()).toHaveLength(count)
  const records = await stack.records()
  expect(records.filter((one) => one.kind === 'deferred' || one.kind === 'bounced')).toEqual([])
  const tried = records.filter((one) => one.kind === 'tried')
  expect(tried.length).toBeGreaterThan(0)
  expect(tried.every((one) => one.source === 'relay' && one.mx_host === '127.33.5.1')).toBe(true)
}

test('a relay that refuses connections', async () => {
  const stack = await startSluice({ internet, egress: relayed(`port: ${await freePort()}, tls: none`) })
  await send(stack, 30)
  await expectNoLoss(stack, 30)
  await stack.haraka.logged(/relay relay is closed/)
})

test('a relay that refuses the credentials', async () => {
  const relay = await relayAt({ tls: true, offers: ['AUTH PLAIN'], at: { auth: '535 5.7.8 Authentication failed' } })
  const stack = await startSluice({
    internet,
    egress: relayed(`port: ${relay.port}, tls: required, username: me, password: { env: RELAY_PASSWORD }`),
    env: { RELAY_PASSWORD: 'secret' },
  })
  await send(stack, 30)
  await expectNoLoss(stack, 30)
  expect(relay.accepted).toEqual([])
})

test('a relay that offers no TLS where it is required', async () => {
  const relay = await relayAt({})
  const stack = await startSluice({ internet, egress: relayed(`port: ${relay.port}, tls: required`) })
  await send(stack, 10)
  await expectNoLoss(stack, 10)
})

test('a relay that works again gets its share again', async () => {
  const port = await freePort('127.33.5.1')
  const stack = await startSluice({ internet, egress: relayed(`port: ${port}, tls: none`) })
  await send(stack, 20)
  await stack.recorded('delivered', 20)
  const relay = await relayAt({}, port)
  await vi.waitFor(
    async () => {
      await send(stack, 2)
      expect(relay.accepted.length).toBeGreaterThan(3)
    },
    { timeout: 20_000, interval: 200 },
  )
  await stack.haraka.logged(/relay relay is open again/)
  expect((await stack.records()).filter((one) => one.kind === 'deferred')).toEqual([])
})

test('without another source mail waits for the relay, unless its stream has a fallback', async () => {
  const port = await freePort('127.33.5.1')
  const stack = await startSluice({ internet, egress: relayed(`port: ${port}, tls: none`, '{ relay: 1 }') })
  await send(stack, 5)
  await send(stack, 5, { 'X-Kind': 'careful' })
  const careful = await stack.recorded('delivered', 5)
  expect(careful.every((one) => one.stream === 'careful' && one.pool === 'spare')).toBe(true)
  const relay = await relayAt({}, port)
  await stack.recorded('delivered', 10)
  expect(relay.accepted).toHaveLength(5)
  expect((await stack.records()).filter((one) => one.kind === 'deferred')).toEqual([])
})

test('a relay is one lane, whoever receives in the end: its limits hold over all domains', async () => {
  const relay = await relayAt({})
  const stack = await startSluice({
    internet,
    egress: relayed(`port: ${relay.port}, tls: none`, '{ relay: 1 }'),
    limits: 'connection_limit: 20\nsources: { relay: { connection_limit: 1, message_rate: 5/s } }',
  })
  const recipients = Array.from({ length: 12 }, (_, n) => `user${n}@${n % 2 === 0 ? 'one' : 'two'}.test`)
  await Promise.all(recipients.map((to) => submit(stack.haraka.port, { to })))
  const delivered = (await stack.recorded('delivered', 12)).toSorted((a, b) => a.at - b.at)
  expect(delivered.map(({ recipient = '' }) => recipient).toSorted()).toEqual(recipients.toSorted())
  expect(relay.mostOpen).toBe(1)
  // Five in the first second at most, the sixth not before it is over.
  expect((delivered[11]?.at ?? 0) - (delivered[0]?.at ?? 0)).toBeGreaterThan(1900)
})

test('a relay whose password is not set keeps Haraka from starting, with the reason', async () => {
  await expect(
    startSluice({
      internet,
      egress: relayed('port: 25, username: me, password: { env: NOBODY_SET_THIS }'),
      startTimeoutMs: 8000,
    }),
  ).rejects.toThrow(/NOBODY_SET_THIS is not set/)
})
