// Connections kept between messages: they are used again, they are never more than the limit, and a connection that
// died meanwhile costs nothing.

import { afterEach, describe, expect, test } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'
import { HarakaProcess } from '../../harness/haraka'
import { submit } from '../../harness/submit'
import { leasesReturned, recorderPlugin, settled, type TestRoute } from './recorder'

let haraka: HarakaProcess | undefined
let receiver: FakeReceiver | undefined

afterEach(async () => {
  await haraka?.stop()
  haraka = undefined
  await receiver?.close()
  receiver = undefined
})

const start = async (
  script: Script | ((connection: number) => Script),
  route: Omit<TestRoute, 'hosts'>,
  tls: 'none' | 'required' = 'none',
): Promise<{ readonly haraka: HarakaProcess; readonly receiver: FakeReceiver }> => {
  receiver = await FakeReceiver.listen(script)
  haraka = await HarakaProcess.start({
    plugins: ['sluice-host', 'recorder'],
    localPlugins: { recorder: recorderPlugin({ ...route, hosts: [{ port: receiver.port, tls }] }) },
    config: { 'outbound.ini': 'temp_fail_intervals=300s\nlocal_mx_ok=true\n' },
  })
  return { haraka, receiver }
}

const sendMany = async (process: HarakaProcess, count: number): Promise<void> => {
  await Promise.all(Array.from({ length: count }, (_, n) => submit(process.port, { to: `user${n}@x.test` })))
}

const count = (commands: readonly string[] | undefined, verb: string): number =>
  commands?.filter((line) => line.startsWith(verb)).length ?? 0

test.each(['none', 'required'] as const)('one connection carries many messages (TLS %s)', async (tls) => {
  const { haraka: process, receiver: peer } = await start({ tls: true }, { limit: 1, idle_ms: 300 }, tls)
  await sendMany(process, 20)
  const all = await settled(process, 20)
  expect(all.flatMap((one) => one.recipients.map(({ kind }) => kind))).toEqual(Array(20).fill('delivered'))
  expect(all.map((one) => one.recipients[0]?.evidence.connection_use).toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
    Array.from({ length: 20 }, (_, n) => n),
  )
  await leasesReturned(process)
  expect(peer.connections).toBe(1)
  expect(count(peer.commands[0], 'QUIT')).toBe(1)
  expect(peer.open).toBe(0)
})

test('a connection is closed after as many messages as the provider likes', async () => {
  const { haraka: process, receiver: peer } = await start({}, { limit: 1, idle_ms: 5000, messages_per_connection: 3 })
  await sendMany(process, 7)
  await settled(process, 7)
  expect(peer.commands.map((one) => count(one, 'MAIL'))).toEqual([3, 3, 1])
})

test.each([
  ['closing', { idle_ms: 0 }],
  ['keeping', { idle_ms: 1000 }],
] as const)('a limit of 4 never shows 5 at the receiver (%s connections)', async (_name, route) => {
  const { haraka: process, receiver: peer } = await start({ offers: ['PIPELINING'] }, { limit: 4, ...route })
  await sendMany(process, 60)
  await settled(process, 60)
  expect(peer.accepted).toHaveLength(60)
  expect(peer.mostOpen).toBeLessThanOrEqual(4)
})

test('an open transaction is reset before the next message', async () => {
  const { haraka: process, receiver: peer } = await start(
    { rcpt: (address) => (address.startsWith('user0@') ? '550 5.1.1 unknown' : undefined) },
    { limit: 1, idle_ms: 1000 },
  )
  await submit(process.port, { to: 'user0@x.test', from: '' })
  await submit(process.port, { to: 'user1@x.test', from: '' })
  await settled(process, 2)
  const [first] = peer.commands
  expect(first?.filter((line) => /^(RSET|MAIL)/.test(line)).map((line) => line.slice(0, 4))).toEqual([
    'MAIL',
    'RSET',
    'MAIL',
  ])
})

describe.each([
  ['step by step', []],
  ['pipelined', ['PIPELINING']],
] as const)('a kept connection that has died costs no attempt, %s', (_name, offers) => {
  test.each<[string, NonNullable<Script['nth']>]>([
    ['421 to the next MAIL', (stage, n) => (stage === 'mail' && n === 1 ? '421 4.4.2 bye' : undefined)],
    ['closed at the next MAIL', (stage, n) => (stage === 'mail' && n === 1 ? { do: 'close' } : undefined)],
    ['reset at the next MAIL', (stage, n) => (stage === 'mail' && n === 1 ? { do: 'reset' } : undefined)],
    [
      'closed after the first message',
      (stage, n) => (stage === 'dot' && n === 0 ? { do: 'say-and-close', text: '250 2.0.0 taken' } : undefined),
    ],
  ])('%s', async (_what, nth) => {
    const { haraka: process, receiver: peer } = await start(
      (connection) => ({ offers, ...(connection === 0 ? { nth } : {}) }),
      { limit: 1, idle_ms: 2000 },
    )
    await sendMany(process, 4)
    const all = await settled(process, 4)
    expect(all.map((one) => [one.number, one.tries.length, one.recipients[0]?.kind])).toEqual(
      Array(4).fill([1, 0, 'delivered']),
    )
    expect(peer.accepted).toHaveLength(4)
    expect(peer.mostOpen).toBe(1)
  })
})

test('a peer that never closes after QUIT leaks nothing', async () => {
  const { haraka: process, receiver: peer } = await start({ at: { quit: { do: 'silence' } } }, { limit: 2, idle_ms: 0 })
  await sendMany(process, 2)
  await settled(process, 2)
  await leasesReturned(process)
  await expect.poll(() => peer.open).toBe(0)
})

test('mail that nobody routed goes by the same client', async () => {
  receiver = await FakeReceiver.listen({ offers: ['PIPELINING'] })
  haraka = await HarakaProcess.start({
    plugins: ['sluice-host', 'mx'],
    localPlugins: { mx: `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${receiver.port} })` },
  })
  const { port } = haraka
  await submit(port, { to: 'a@x.test' })
  await expect.poll(() => receiver?.accepted.length).toBe(1)
  expect(receiver.commands[0]).toEqual([
    'EHLO haraka.test',
    'MAIL FROM:<sender@sender.test>',
    'RCPT TO:<a@x.test>',
    'DATA',
  ])
  await submit(port, { to: 'b@x.test' })
  await expect.poll(() => receiver?.accepted.length).toBe(2)
  expect(receiver.connections).toBe(1)
  await haraka.until(() => (haraka?.matches(/delivered file/).length ?? 0) === 2, 'to log both')
  expect((await haraka.queue()).length).toBe(0)
})
