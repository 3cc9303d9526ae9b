// What else a lane keeps besides its connections, over workers that share a real Redis: rates as the receiver counts
// them (at MAIL), totals of a provider, tenants' shares, the warm-up allowance, and rulings that change.

import { openLane, viewLane, type LaneView } from '@sluice/core/lane/lane'
import { redisKeys } from '@sluice/core/redis/keys'
import { builtIn } from '@sluice/core/shaping/limits'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import type { LaneName, WarmupRule } from '../../../plugins/egress/lane/ruling'
import { Mail, workerOn, type Worker } from '../../harness/lanes'

const redis = async (): Promise<RedisServer> => {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  return server
}

const soon = (assertion: () => void) => vi.waitFor(assertion, { timeout: 10_000, interval: 5 })

/** The most of `times` in any window of `length` ms. */
const most = (times: readonly number[], length: number): number =>
  Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + length).length))

/** Sends on connections that are kept, and says when each MAIL left. */
const sendAll = (worker: Worker, count: number, mails: number[], late = 0): void => {
  for (let n = 0; n < count; n++) {
    worker.lanes.admit(
      'a',
      'one.test',
      new Mail((mail) => {
        const send = async () => {
          await mail.lease?.beforeMail?.()
          mails.push(Date.now())
          worker.keep('a', 'one.test', mail)
        }
        setTimeout(() => void send(), late)
      }),
    )
  }
}

const fastRate = { connection_limit: 6, message_rate: [{ limit: 100, window_ms: 1000 }] }

test('a message rate holds over three workers, and all mail gets its turn', async () => {
  const server = await redis()
  const fleet = await Promise.all([1, 2, 3].map(() => workerOn(server, () => fastRate)))
  const mails: number[] = []
  for (const worker of fleet) sendAll(worker, 60, mails)
  await soon(() => expect(mails).toHaveLength(180))
  expect(most(mails, 1000)).toBeLessThanOrEqual(100)
})

test('a message that is late to MAIL takes a new token, so that the receiver counts none too many', async () => {
  const server = await redis()
  const worker = await workerOn(server, () => ({
    connection_limit: 40,
    message_rate: [{ limit: 40, window_ms: 1000 }],
  }))
  const mails: number[] = []
  // Connections that take half a second to open: without new tokens they would all be counted half a second later.
  sendAll(worker, 30, mails, 500)
  await soon(() => expect(mails).toHaveLength(30))
  sendAll(worker, 40, mails)
  await soon(() => expect(mails).toHaveLength(70))
  expect(most(mails, 1000)).toBeLessThanOrEqual(40)
})

test('a total over all sources holds, and each source gets its turn', async () => {
  const server = await redis()
  const total = { connection_limit: 3, connection_rate: [], message_rate: [] }
  const fleet = await Promise.all([1, 2].map(() => workerOn(server, () => ({ connection_limit: 3, total }))))
  let open = 0
  let peak = 0
  const done = new Map<string, number>()
  const send = ({ lanes }: Worker, source: string): void => {
    lanes.admit(
      source,
      'one.test',
      new Mail((mail) => {
        peak = Math.max(peak, ++open)
        setTimeout(() => {
          open--
          done.set(source, (done.get(source) ?? 0) + 1)
          mail.lease?.release()
        }, 5)
      }),
    )
  }
  for (const worker of fleet) for (const source of ['a', 'b']) for (let n = 0; n < 40; n++) send(worker, source)
  await soon(() => expect([...done.values()]).toEqual([80, 80]))
  expect(peak).toBe(3)
})

test('idle connections of one source make room for another where the total is used up', async () => {
  const server = await redis()
  const total = { connection_limit: 2, connection_rate: [], message_rate: [] }
  const worker = await workerOn(server, () => ({ connection_limit: 2, total }))
  const [first, second] = [new Mail(), new Mail()]
  for (const mail of [first, second]) worker.lanes.admit('a', 'one.test', mail)
  await soon(() => expect(second.lease).toBeDefined())
  for (const mail of [first, second]) worker.keep('a', 'one.test', mail)
  const other = new Mail()
  worker.lanes.admit('b', 'one.test', other)
  await soon(() => expect(other.lease).toBeDefined())
})

test('tenants share a contended lane, and within one the oldest mail goes first', async () => {
  const server = await redis()
  const { lanes } = await workerOn(server, () => ({ connection_limit: 1 }))
  const order: string[] = []
  const next = (mail: Mail) => {
    order.push(`${mail.tenant}${mail.queued}`)
    setImmediate(() => mail.lease?.release())
  }
  const blocker = new Mail()
  lanes.admit('a', 'one.test', blocker)
  await soon(() => expect(blocker.lease).toBeDefined())
  for (const queued of [3, 1, 2, 4]) lanes.admit('a', 'one.test', new Mail(next, { tenant: 'big', queued }))
  for (const queued of [6, 5]) lanes.admit('a', 'one.test', new Mail(next, { tenant: 'small', queued }))
  blocker.lease?.release()
  await soon(() => expect(order).toHaveLength(6))
  expect(order).toEqual(['big1', 'small5', 'big2', 'small6', 'big3', 'big4'])
})

test('a narrower window closes surplus idle connections; a closed lane grants nothing until its time', async () => {
  const server = await redis()
  const limits = { ...builtIn, connection_limit: 4 }
  const open = viewLane(openLane, limits, 0)
  let view: LaneView = open
  let changed: (lane: string) => void = () => undefined
  const rulings = {
    rulingOf: (_lane: LaneName, now: number) => ({ limits, view: now < (view.until ?? Infinity) ? view : open }),
    onChange: (listener: (lane: string) => void) => void (changed = listener),
  }
  const worker = await workerOn(server, () => ({}), { rulings })
  const mails = Array.from({ length: 4 }, () => new Mail())
  for (const mail of mails) worker.lanes.admit('a', 'one.test', mail)
  await soon(() => expect(mails.every(({ lease }) => lease)).toBe(true))
  for (const mail of mails) worker.keep('a', 'one.test', mail)
  expect(worker.idle.get('a|one.test')).toHaveLength(4)

  view = { ...open, phase: 'narrowed', connections: 1 }
  changed('a|one.test')
  expect(worker.idle.get('a|one.test')).toHaveLength(1)

  const until = Date.now() + 300
  view = { ...open, phase: 'closed', connections: 0, until }
  changed('a|one.test')
  expect(worker.idle.get('a|one.test')).toHaveLength(0)
  let grantedAt = 0
  const waiting = new Mail(() => (grantedAt = Date.now()))
  worker.lanes.admit('a', 'one.test', waiting)
  expect(waiting.parked).toBe(true)
  await soon(() => expect(grantedAt).toBeGreaterThanOrEqual(until))
})

test("the day's allowance is never passed, and what was never sent is given back", async () => {
  const server = await redis()
  const rule: WarmupRule = { day: 20_000, limit: 3, pace: { interval: 1, tolerance: 1000 }, counter: 'one.test' }
  const told: number[] = []
  const warmups = {
    warmupOf: ({ provider }: LaneName) => (provider === 'one.test' ? rule : undefined),
    counted: (_lane: LaneName, { used }: { readonly used: number }) => void told.push(used),
    take: () => Promise.resolve({ taken: 0, wait_ms: Infinity }),
    giveBack: () => undefined,
  }
  const fleet = await Promise.all([1, 2].map(() => workerOn(server, () => ({}), { warmups })))
  const mails = Array.from({ length: 10 }, () => new Mail())
  mails.forEach((mail, n) => fleet[n % 2]?.lanes.admit('a', 'one.test', mail))
  const granted = () => mails.filter(({ lease }) => lease)
  await soon(() => expect(mails.filter(({ parked }) => parked)).toHaveLength(7))
  expect(granted()).toHaveLength(3)
  expect(Math.max(...told)).toBe(3)

  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  const used = async () => Number(await client.get(redisKeys().warmed('a', 'one.test', rule.day)))
  const [sent, unsent, other] = granted()
  await sent?.lease?.beforeMail?.()
  await other?.lease?.beforeMail?.()
  unsent?.lease?.release()
  sent?.lease?.release()
  // The one that was never sent leaves room for one more, which takes it.
  await soon(() => expect(granted()).toHaveLength(4))
  expect(await used()).toBe(3)
})

test('while Redis is away each worker keeps its share of the rate', async () => {
  const server = await redis()
  const limits = { connection_limit: 4, message_rate: [{ limit: 20, window_ms: 1000 }] }
  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  const alone = await workerOn(server, () => limits)
  await vi.waitFor(async () => expect(await client.zcard(redisKeys().workers)).toBe(1))
  // The second one's heartbeat on connecting tells it of both.
  const worker = await workerOn(server, () => limits)
  await vi.waitFor(async () => expect(await client.zcard(redisKeys().workers)).toBe(2))
  const mails: number[] = []
  server.pause()
  sendAll(worker, 14, mails)
  await soon(() => expect(mails).toHaveLength(14))
  expect(most(mails, 1000)).toBeLessThanOrEqual(10)
  server.resume()
  await vi.waitFor(() => expect(worker.link.present).toBe(true), { timeout: 5000 })
  sendAll(worker, 10, mails)
  sendAll(alone, 10, mails)
  await soon(() => expect(mails).toHaveLength(34))
})
