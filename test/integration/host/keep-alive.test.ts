// Connections kept between messages: they are used again, they are never more than the limit, and a connection that
// died meanwhile costs nothing.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'
import { HarakaProcess } from '../../harness/haraka'
import { submit } from '../../harness/submit'
import { RecordingHaraka, type Case, type TestRoute } from './recorder'

let recording: RecordingHaraka
const receivers: FakeReceiver[] = []

beforeAll(async () => {
  recording = await RecordingHaraka.start()
})

afterAll(async () => {
  await recording.stop()
  for (const receiver of receivers) await receiver.close()
})

const start = async (
  script: Script | ((connection: number) => Script),
  route: Omit<TestRoute, 'hosts'>,
  tls: 'none' | 'required' = 'none',
): Promise<{ readonly mail: Case; readonly receiver: FakeReceiver }> => {
  const receiver = await FakeReceiver.listen(script)
  receivers.push(receiver)
  return { mail: recording.open({ ...route, hosts: [{ port: receiver.port, tls }] }), receiver }
}

const sendMany = async (mail: Case, count: number): Promise<void> => {
  await Promise.all(Array.from({ length: count }, (_, n) => mail.submit(`user${n}@x.test`)))
}

const count = (commands: readonly string[] | undefined, verb: string): number =>
  commands?.filter((line) => line.startsWith(verb)).length ?? 0

test.concurrent.for(['none', 'required'] as const)(
  'one connection carries many messages (TLS %s)',
  async (tls, { expect }) => {
    const { mail, receiver: peer } = await start({ tls: true }, { limit: 1, idle_ms: 1000 }, tls)
    await sendMany(mail, 20)
    const all = await mail.settled(20)
    expect(all.flatMap((one) => one.recipients.map(({ kind }) => kind))).toEqual(Array(20).fill('delivered'))
    expect(
      all.map((one) => one.recipients[0]?.evidence.connection_use).toSorted((a, b) => (a ?? 0) - (b ?? 0)),
    ).toEqual(Array.from({ length: 20 }, (_, n) => n))
    await mail.leasesReturned()
    expect(peer.connections).toBe(1)
    expect(count(peer.commands[0], 'QUIT')).toBe(1)
    await expect.poll(() => peer.open).toBe(0)
  },
)

test.concurrent('a connection is closed after as many messages as the provider likes', async () => {
  const { mail, receiver: peer } = await start({}, { limit: 1, idle_ms: 5000, messages_per_connection: 3 })
  await sendMany(mail, 7)
  await mail.settled(7)
  expect(peer.commands.map((one) => count(one, 'MAIL'))).toEqual([3, 3, 1])
})

test.concurrent(
  'more recipients than a message may have follow in further messages, over as many connections',
  async () => {
    const limits = { limit: 1, idle_ms: 0, recipients_per_message: 2, messages_per_connection: 2 }
    const { mail, receiver: peer } = await start({}, limits)
    const names = Array.from({ length: 7 }, (_, n) => `user${n}@x.test`)
    await mail.submit(names, { from: '' })
    const [settled] = await mail.settled(1)
    expect(settled?.recipients.map(({ address, kind }) => `${address} ${kind}`)).toEqual(
      names.map((name) => `${name} delivered`),
    )
    expect(peer.commands.map((one) => [count(one, 'MAIL'), count(one, 'RCPT')])).toEqual([
      [2, 4],
      [2, 3],
    ])
    expect(peer.mostOpen).toBe(1)
  },
)

test.concurrent.each([
  ['closing', { idle_ms: 0 }],
  ['keeping', { idle_ms: 1000 }],
] as const)('a limit of 4 never shows 5 at the receiver (%s connections)', async (_name, route) => {
  const { mail, receiver: peer } = await start({ offers: ['PIPELINING'] }, { limit: 4, ...route })
  await sendMany(mail, 60)
  await mail.settled(60)
  expect(peer.accepted).toHaveLength(60)
  expect(peer.mostOpen).toBeLessThanOrEqual(4)
})

test.concurrent('an open transaction is reset before the next message', async () => {
  const { mail, receiver: peer } = await start(
    { rcpt: (address) => (address.startsWith('user0@') ? '550 5.1.1 unknown' : undefined) },
    { limit: 1, idle_ms: 1000 },
  )
  await mail.submit('user0@x.test', { from: '' })
  await mail.submit('user1@x.test', { from: '' })
  await mail.settled(2)
  const [first] = peer.commands
  expect(first?.filter((line) => /^(RSET|MAIL)/.test(line)).map((line) => line.slice(0, 4))).toEqual([
    'MAIL',
    'RSET',
    'MAIL',
  ])
})

describe.concurrent.each([
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
    const { mail, receiver: peer } = await start((connection) => ({ offers, ...(connection === 0 ? { nth } : {}) }), {
      limit: 1,
      idle_ms: 2000,
    })
    await sendMany(mail, 4)
    const all = await mail.settled(4)
    expect(all.map((one) => [one.number, one.tries.length, one.recipients[0]?.kind])).toEqual(
      Array(4).fill([1, 0, 'delivered']),
    )
    expect(peer.accepted).toHaveLength(4)
    expect(peer.mostOpen).toBe(1)
  })
})

test.concurrent('a peer that never closes after QUIT leaks nothing', async ({ expect }) => {
  const { mail, receiver: peer } = await start({ at: { quit: { do: 'silence' } } }, { limit: 2, idle_ms: 0 })
  await sendMany(mail, 2)
  await mail.settled(2)
  await mail.leasesReturned()
  await expect.poll(() => peer.open).toBe(0)
})

test.concurrent('mail that nobody routed goes by the same client', async ({ expect }) => {
  const receiver = await FakeReceiver.listen({ offers: ['PIPELINING'] })
  const haraka = await HarakaProcess.start({
    plugins: ['sluice-host', 'mx'],
    localPlugins: { mx: `exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: ${receiver.port} })` },
  })
  try {
    const { port } = haraka
    await submit(port, { to: 'a@x.test' })
    await expect.poll(() => receiver.accepted.length).toBe(1)
    expect(receiver.commands[0]).toEqual([
      'EHLO haraka.test',
      'MAIL FROM:<sender@sender.test>',
      'RCPT TO:<a@x.test>',
      'DATA',
    ])
    await submit(port, { to: 'b@x.test' })
    await expect.poll(() => receiver.accepted.length).toBe(2)
    expect(receiver.connections).toBe(1)
    await haraka.until(() => haraka.matches(/delivered file/).length === 2, 'to log both')
    await expect.poll(() => haraka.queue()).toEqual([])
  } finally {
    await haraka.stop()
    await receiver.close()
  }
})

test('after all of that nothing is left open: no socket, no descriptor', async () => {
  await expect.poll(() => receivers.map(({ open }) => open), { timeout: 10_000 }).toEqual(receivers.map(() => 0))
  await expect.poll(() => recording.descriptorsLeft(), { timeout: 10_000 }).toBeLessThanOrEqual(0)
})
