// Refused mail is tried again when whoever understands the refusal says so: here a plugin that takes its orders from
// the text of the refusal. A part of a mail goes its own way, and expiry ends in a DSN.

import { simpleParser } from 'mailparser'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { FakeReceiver, type Action } from '../../harness/fake-receiver'
import { HarakaProcess } from '../../harness/haraka'
import { submit } from '../../harness/submit'
import type { Settled } from './recorder'
import { routing } from './repair'

const planner = (port: number): string => `
${routing(port)}
const { host } = require('haraka-plugin-sluice-host')
exports.register = function () {
  this.timeout = 0
  host.onSettled(({ attempt: { number }, recipients }) => {
    this.lognotice('SETTLED ' + JSON.stringify({ number, recipients }))
  })
  host.scheduleRetry(({ hmail, attempt, kind, recipients }) => {
    const text = recipients.map(({ evidence }) => evidence.lines.join(' ')).join(' ')
    const [, ms] = /later (\\d+)/.exec(text) ?? []
    if (ms) return { kind: 'retry', at: Date.now() + Number(ms) }
    if (recipients.every(({ evidence }) => /elsewhere/.test(evidence.lines.join(' ')))) return { kind: 'now' }
    if (/too old/.test(text)) return { kind: 'expire', says: 'nobody took it for a day' }
    if (/bug/.test(text)) throw new Error('planner is broken')
  })
}
`

type Attempted = Pick<Settled, 'number' | 'recipients'>

/** Replies to RCPT, one for each attempt; then 250. */
const replies = new Map<string, Action[]>()
let receiver: FakeReceiver
let haraka: HarakaProcess

beforeAll(async () => {
  receiver = await FakeReceiver.listen({ rcpt: (address) => replies.get(address)?.shift() })
  haraka = await HarakaProcess.start({
    plugins: ['sluice-host', 'planner'],
    localPlugins: { planner: planner(receiver.port) },
    config: { 'outbound.ini': 'concurrency_max=200\nlocal_mx_ok=true\ntemp_fail_intervals=1h\n' },
  })
}, 30_000)

afterAll(async () => {
  await haraka.stop()
  await receiver.close()
})

const send = async (to: Readonly<Record<string, readonly Action[]>>): Promise<void> => {
  for (const [address, actions] of Object.entries(to)) replies.set(address, [...actions])
  await submit(haraka.port, { to: Object.keys(to) })
}

const settlements = (): Attempted[] =>
  haraka.matches(/SETTLED (\{.*)/).map(([, json = '']) => JSON.parse(json) as Attempted)

/** Kind and code of what became of a recipient, attempt by attempt. */
const storyOf = (address: string) =>
  settlements().flatMap(({ number, recipients }) =>
    recipients
      .filter((one) => one.address === address)
      .map(({ kind, evidence }) => `${number} ${kind} ${evidence.code}`),
  )

const story = (address: string, expected: readonly string[]) =>
  vi.waitFor(() => expect(storyOf(address)).toEqual(expected), { timeout: 20_000, interval: 50 })

test.concurrent('a mail comes back at the time decided, not on the next interval of Haraka', async () => {
  const begun = Date.now()
  await send({ 'wait@one.test': ['450 later 1500', '450 later 10'] })
  await vi.waitFor(() => expect(storyOf('wait@one.test')).toHaveLength(2), { timeout: 15_000, interval: 20 })
  expect(Date.now() - begun).toBeGreaterThanOrEqual(1500)
  await story('wait@one.test', ['1 deferred 450', '2 deferred 450', '3 delivered 250'])
})

test.concurrent('a refusal for good is a deferral where another way may be tried at once', async () => {
  await send({ 'moved@one.test': ['550 5.7.1 elsewhere', '450 4.7.1 elsewhere'] })
  await story('moved@one.test', ['1 deferred 550', '2 deferred 450', '3 delivered 250'])
})

test.concurrent('recipients who fare differently each go their own way', async () => {
  await send({
    'taken@mixed.test': [],
    'unknown@mixed.test': ['550 5.1.1 no such user'],
    'blocked@mixed.test': ['550 5.7.1 elsewhere'],
    'slow@mixed.test': ['452 4.2.2 later 1200'],
    'old@mixed.test': ['452 4.2.2 later 1200', '452 too old'],
  })
  await Promise.all([
    story('taken@mixed.test', ['1 delivered 250']),
    story('unknown@mixed.test', ['1 bounced 550']),
    story('blocked@mixed.test', ['1 deferred 550', '2 delivered 250']),
    story('slow@mixed.test', ['1 deferred 452', '2 delivered 250']),
    story('old@mixed.test', ['1 deferred 452', '2 expired 452']),
  ])
})

test.concurrent('a mail whose time is over ends as expired, and its sender is told', async () => {
  await send({ 'late@one.test': ['451 4.3.2 too old'] })
  await story('late@one.test', ['1 expired 451'])
  const dsn = await vi.waitFor(
    () => {
      const found = receiver.accepted.filter(({ content }) => content.includes('rfc822;late@one.test'))
      expect(found).toHaveLength(1)
      return found[0]
    },
    { timeout: 10_000, interval: 50 },
  )
  expect(dsn?.from).toBe('')
  expect(dsn?.recipients).toEqual(['sender@sender.test'])
  expect(dsn?.content).toMatch(/Action: failed\r\nStatus: 4\.3\.2/)
  expect((await simpleParser(dsn?.content ?? '')).text).toContain('nobody took it for a day')
})

test.concurrent("where the decision fails Haraka's own schedule holds", async () => {
  await send({ 'bug@one.test': ['450 bug'] })
  await story('bug@one.test', ['1 deferred 450'])
  await haraka.logged(/Haraka's schedule holds: .*planner is broken/)
  const waits = (await haraka.queue()).map((name) => name.split('_').map(Number))
  expect(waits.some(([arrival = 0, next = 0]) => next - arrival > 3_500_000)).toBe(true)
})
