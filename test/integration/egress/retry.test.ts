// Retries that understand why, on one Haraka with two sources and a receiver that says what it is told: who is told to
// come back in N seconds does, greylisting keeps its source, a block of the address goes another way where the stream
// allows it and content never does, mail that is too old ends as expired, also where it waits parked.

import { readInternet } from '@sluice/lab/internet/schema'
import { startLab, type Lab } from '@sluice/lab/lab'
import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { FakeReceiver, type Action, type ScriptOf } from '../../harness/fake-receiver'
import { HarakaProcess, type HarakaOptions } from '../../harness/haraka'
import { writeQueueFile } from '../../harness/queue-file'
import { harakaOptions, publishRouting, readSpool } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const domains = [
  'wait',
  'quick',
  'gray',
  'shaded',
  'moved',
  'door',
  'stays',
  'content',
  'brief',
  'late',
  'kill',
  'returns',
  'closed',
]

const addressOf = (domain: string): string => `127.34.1.${domains.indexOf(domain) + 1}`

const internet = `
providers:
${domains.map((id) => `  ${id}: { domains: [${id}.test], mx: [{ host: mx.${id}.test, address: ${addressOf(id)} }] }`).join('\n')}
`
const sources = { first: '127.34.9.1', second: '127.34.10.1' }
const egress = `
sources:
  first: { ip: ${sources.first}, ehlo: first.sender.test }
  second: { ip: ${sources.second}, ehlo: second.sender.test }
pools:
  both: { first: 1, second: 1 }
  firstly: { first: 1000000, second: 1 }
  shut: { first: 0 }
streams:
  nimble: { match: { header: { X-Kind: nimble } }, pool: firstly }
  stubborn: { match: { header: { X-Kind: stubborn } }, pool: firstly }
  brief: { match: { header: { X-Kind: brief } }, pool: both }
  closed: { match: { sender_domain: closed.test }, pool: shut }
  bulk: { pool: both }
default_stream: bulk
`
const retry = `retry:
    schedule: [30s]
    by_class: { greylisted: [2s], mailbox_full: [2s] }
    min_wait: 2s
    jitter: 0
providers:
  quick: { mx: [.quick.test], retry: { schedule: [2s] } }
streams:
  nimble: { move_on_block: true }
  brief: { max_age: 10s }
`
const blocked = (client: string, code = 550) =>
  `${code} 5.7.1 Service unavailable; Client host [${client}] blocked using zen.spamhaus.org`

/** What each recipient is told, one for each attempt; then 250. */
const told = new Map<string, Action[]>()
/** Who has tried whom. */
const triples = new Set<string>()

/** Only the first source is refused; greylisting is lifted for whoever was greylisted. */
const answer = (client: string, address: string): Action | undefined => {
  const [, domain = ''] = address.split('@')
  if (domain === 'moved.test' || domain === 'stays.test') return client === sources.first ? blocked(client) : undefined
  if (domain === 'content.test')
    return client === sources.first ? '554 5.7.1 Message rejected as spam content' : undefined
  if (domain !== 'gray.test' && domain !== 'shaded.test') return told.get(address)?.shift()
  const known = triples.has(`${client} ${address}`)
  triples.add(`${client} ${address}`)
  return known ? undefined : `450 4.2.0 <${address}>: Recipient address rejected: Greylisted`
}

let receiver: FakeReceiver
let lab: Lab
let redis: RedisServer
let haraka: HarakaProcess
let options: HarakaOptions

beforeAll(async () => {
  const script: ScriptOf = (_, client, server) => ({
    rcpt: (address) => answer(client, address),
    ...(server === addressOf('door') && client === sources.first ? { at: { banner: blocked(client, 554) } } : {}),
  })
  receiver = await FakeReceiver.listen(script, '0.0.0.0')
  lab = await startLab({ internet: readInternet('test.yaml', internet) })
  redis = await startRedis()
  options = harakaOptions({ internet, egress, limits: retry, port25: receiver.port }, lab, redis)
  haraka = await HarakaProcess.start(options)
}, 60_000)

afterAll(async () => {
  await haraka.stop()
  await redis.stop()
  await lab.stop()
  await receiver.close()
})

const send = (to: string, kind: string, actions: readonly Action[] = []): Promise<string> => {
  told.set(to, [...actions])
  return submit(haraka.port, { to, from: 'sender@returns.test', headers: { 'X-Kind': kind } })
}

const attemptsOf = async (address: string): Promise<OutcomeRecord[]> => {
  const records = await readSpool(`${haraka.folder}/spool`)
  return records.filter((one) => one.recipient === address && one.attempt !== undefined).sort((a, b) => a.at - b.at)
}

/** Waits until a recipient has had so many results, the last of that kind. */
const story = (address: string, kinds: readonly string[]): Promise<OutcomeRecord[]> =>
  vi.waitFor(
    async () => {
      const attempts = await attemptsOf(address)
      expect(attempts.map(({ kind }) => kind)).toEqual(kinds)
      return attempts
    },
    { timeout: 40_000, interval: 100 },
  )

/** Timers go by another clock than records do, both in whole milliseconds. */
const clocksMs = 5

/** ms between the first two results, to the precision of both clocks. */
const waitOf = ([first, second]: readonly OutcomeRecord[]): number =>
  (second?.at ?? NaN) - (first?.at ?? NaN) + clocksMs

describe('a refused mail', () => {
  test.concurrent.each([
    ['comes back when it is told to', 'told@wait.test', '450 4.7.1 Please try again in 4 seconds', 4000],
    ['not before the shortest wait', 'soon@wait.test', '450 4.7.1 Please try again in 1 second', 2000],
    ['on the schedule of its provider', 'user@quick.test', '451 4.3.0 Internal error', 2000],
    ['on the schedule of its class', 'full@wait.test', '452 4.2.2 Mailbox full', 2000],
  ])('%s', async (_, address, reply, least) => {
    await send(address, 'bulk', [reply])
    const wait = waitOf(await story(address, ['deferred', 'delivered']))
    expect(wait).toBeGreaterThanOrEqual(least)
    expect(wait).toBeLessThan(28_000)
  })

  test.concurrent('keeps the source that was greylisted', async () => {
    const addresses = Array.from({ length: 8 }, (_, n) => `user${n}@gray.test`)
    for (const address of addresses) await send(address, 'bulk')
    for (const address of addresses) {
      const [first, second] = await story(address, ['deferred', 'delivered'])
      expect(first).toMatchObject({ class: 'greylisted' })
      expect(second?.source).toBe(first?.source)
    }
  })

  test.concurrent('waits for the source that was greylisted as long again, then goes by another', async () => {
    await send('user@shaded.test', 'bulk')
    const [{ source = '', provider = '' } = {}] = await story('user@shaded.test', ['deferred'])
    const term = { id: 'away', source, provider, author: 'test', reason: 'test', since: 0 }
    await publishRouting(redis.url, { version: 1, suspensions: [term] })
    const attempts = await story('user@shaded.test', ['deferred', 'deferred', 'delivered'])
    const other = source === 'first' ? 'second' : 'first'
    expect(attempts.map((one) => one.source)).toEqual([source, other, other])
    expect(waitOf(attempts)).toBeGreaterThanOrEqual(4000)
  })

  test.concurrent.each([
    ['moved.test', 550],
    ['door.test', 554],
  ])(
    'goes by another source at once when %s blocks the address (%i) and its stream allows it',
    async (domain, code) => {
      await send(`user@${domain}`, 'nimble')
      const attempts = await story(`user@${domain}`, ['deferred', 'delivered'])
      expect(attempts).toMatchObject([
        { source: 'first', code, class: 'ip_blocked', attempt: 1 },
        { source: 'second', code: 250, attempt: 2 },
      ])
      expect(waitOf(attempts)).toBeLessThan(10_000)
    },
  )

  test.concurrent('bounces by the same block where its stream does not allow it', async () => {
    await send('user@stays.test', 'stubborn')
    const [bounced] = await story('user@stays.test', ['bounced'])
    expect(bounced).toMatchObject({ source: 'first', class: 'ip_blocked' })
  })

  test.concurrent('never goes another way for its content', async () => {
    await send('user@content.test', 'nimble')
    const [bounced] = await story('user@content.test', ['bounced'])
    expect(bounced).toMatchObject({ source: 'first', class: 'spam_content' })
  })

  test.concurrent('expires at the age its stream gives it, and the sender is told', async () => {
    const full = '452 4.2.2 Mailbox full'
    await send('user@brief.test', 'brief', Array<string>(20).fill(full))
    const attempts = await vi.waitFor(
      async () => {
        const found = await attemptsOf('user@brief.test')
        expect(found.at(-1)?.kind).toBe('expired')
        return found
      },
      { timeout: 40_000, interval: 100 },
    )
    expect(attempts.slice(0, -1).every(({ kind }) => kind === 'deferred')).toBe(true)
    expect(attempts.length).toBeGreaterThan(2)
    expect(attempts.at(-1)).toMatchObject({ class: 'mailbox_full', code: 452 })
    // Not tried again within the shortest wait of its end.
    expect(attempts.at(-1)?.queued_ms).toBeGreaterThan(8_000)
    await toldTo('sender@returns.test', 'user@brief.test')
  })
})

/** The bounce message about a recipient has reached the sender. */
const toldTo = (sender: string, recipient: string): Promise<void> =>
  vi.waitFor(
    () => {
      const about = receiver.accepted.filter(({ content }) => content.includes(`Final-Recipient: rfc822;${recipient}`))
      expect(about).toMatchObject([{ from: '', recipients: [sender] }])
      expect(about[0]?.content).toContain('Action: failed')
    },
    { timeout: 20_000, interval: 50 },
  )

test('kill -9 keeps the schedule; a mail that is too old to go on waiting expires', async () => {
  await send('user@kill.test', 'bulk', ['450 4.7.1 Please try again in 5 seconds'])
  await story('user@kill.test', ['deferred'])
  await haraka.kill()
  const arrival = Date.now() - 6 * 86_400_000
  await writeQueueFile(haraka.folder, { to: 'user@late.test', from: 'sender@closed.test', arrival })
  haraka = await HarakaProcess.start({ ...options, folder: haraka.folder, port: haraka.port })
  const [expired] = await story('user@late.test', ['expired'])
  expect(expired).toMatchObject({ code: 0, enhanced: '4.4.7', phase: 'queue' })
  await toldTo('sender@closed.test', 'user@late.test')
  const killed = await story('user@kill.test', ['deferred', 'delivered'])
  expect(waitOf(killed)).toBeGreaterThanOrEqual(5000)
  expect(killed.at(-1)?.attempt).toBe(2)
  await vi.waitFor(async () => expect(await haraka.queue()).toEqual([]), { timeout: 20_000, interval: 50 })
})
