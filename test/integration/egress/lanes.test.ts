// Lanes of several workers over one Redis: the limit holds over all of them, a lease given back wakes a waiting mail
// of another worker without polling, and while Redis is away everybody goes by its share.

import { redisKeys } from '@sluice/core/redis/keys'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import type { Lease } from 'haraka-plugin-sluice-host'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import { Mail, workerOn, type Worker } from '../../harness/lanes'

const redis = async (): Promise<RedisServer> => {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  return server
}

const soon = (assertion: () => void) => vi.waitFor(assertion, { timeout: 3000, interval: 5 })

test('a limit of 5 holds over three workers, and 300 mails all get their turn', async () => {
  const server = await redis()
  let open = 0
  let most = 0
  let done = 0
  const fleet = await Promise.all([1, 2, 3].map(() => workerOn(server, () => ({ connection_limit: 5 }))))
  for (const { lanes } of fleet) {
    for (let n = 0; n < 100; n++) {
      lanes.admit(
        'a',
        'one.test',
        new Mail((mail) => {
          most = Math.max(most, ++open)
          setTimeout(
            () => {
              open--
              done++
              mail.lease?.release()
            },
            1 + (n % 5),
          )
        }),
      )
    }
  }
  await vi.waitFor(() => expect(done).toBe(300), { timeout: 20_000, interval: 20 })
  expect(most).toBe(5)
  const client = new Redis(server.url)
  await soon(() => expect(open).toBe(0))
  await vi.waitFor(async () => expect(await client.zcard(redisKeys().lane('a', 'one.test').leases)).toBe(0))
  client.disconnect()
})

test('a lease given back by one worker wakes a mail that waits at another', async () => {
  const server = await redis()
  const [here, there] = await Promise.all([
    workerOn(server, () => ({ connection_limit: 1 })),
    workerOn(server, () => ({ connection_limit: 1 })),
  ])
  const first = new Mail()
  here.lanes.admit('a', 'one.test', first)
  await soon(() => expect(first.lease).toBeDefined())
  const second = new Mail()
  there.lanes.admit('a', 'one.test', second)
  await soon(() => expect(second.parked).toBe(true))
  const begin = performance.now()
  first.lease?.release()
  await soon(() => expect(second.lease).toBeDefined())
  expect(performance.now() - begin).toBeLessThan(200)
})

test('mails are served in the order in which they came', async () => {
  const server = await redis()
  const { lanes } = await workerOn(server, () => ({ connection_limit: 2 }))
  const order: number[] = []
  for (let n = 0; n < 50; n++) {
    lanes.admit(
      'a',
      'one.test',
      new Mail((mail) => {
        order.push(n)
        setImmediate(() => mail.lease?.release())
      }),
    )
  }
  await soon(() => expect(order).toHaveLength(50))
  expect(order).toEqual(order.toSorted((a, b) => a - b))
})

test('a release counts once, however often it is called', async () => {
  const server = await redis()
  const { lanes } = await workerOn(server, () => ({ connection_limit: 1 }))
  const mails = [new Mail(), new Mail(), new Mail()]
  for (const mail of mails) lanes.admit('a', 'one.test', mail)
  await soon(() => expect(mails[0]?.lease).toBeDefined())
  const lease = mails[0]?.lease
  for (let n = 0; n < 5; n++) lease?.release()
  await soon(() => expect(mails[1]?.lease).toBeDefined())
  await new Promise(setImmediate)
  expect(mails[2]?.lease).toBeUndefined()
})

test('a wider limit lets waiting mails go at once, a narrower one waits for releases', async () => {
  const server = await redis()
  let limit = 1
  const { lanes } = await workerOn(server, () => ({ connection_limit: limit }))
  const mails = Array.from({ length: 6 }, () => new Mail())
  for (const mail of mails) lanes.admit('a', 'one.test', mail)
  const granted = () => mails.filter((mail) => mail.lease).length
  await soon(() => expect(granted()).toBe(1))
  limit = 4
  lanes.reconfigure()
  await soon(() => expect(granted()).toBe(4))
  limit = 2
  lanes.reconfigure()
  mails[0]?.lease?.release()
  mails[1]?.lease?.release()
  await new Promise(setImmediate)
  expect(granted()).toBe(4)
  mails[2]?.lease?.release()
  await soon(() => expect(granted()).toBe(5))
})

test('while Redis is away each worker goes by its share, and is back in step afterwards', async () => {
  const server = await redis()
  const here = await workerOn(server, () => ({ connection_limit: 6 }))
  const client = new Redis(server.url)
  await vi.waitFor(async () => expect(await client.zcard(redisKeys().workers)).toBe(1))
  // The second one's heartbeat on connecting tells it of both.
  const there = await workerOn(server, () => ({ connection_limit: 6 }))
  await vi.waitFor(async () => expect(await client.zcard(redisKeys().workers)).toBe(2))
  const warm = new Mail((mail) => setImmediate(() => mail.lease?.release()))
  here.lanes.admit('a', 'warm.test', warm)
  await soon(() => expect(warm.lease).toBeDefined())

  server.pause()
  const mails = Array.from({ length: 10 }, () => new Mail())
  for (const mail of mails) there.lanes.admit('a', 'one.test', mail)
  const granted = () => mails.filter((mail) => mail.lease).length
  await soon(() => expect(granted()).toBe(3))
  await soon(() => expect(mails.filter((mail) => mail.parked && !mail.lease)).toHaveLength(7))

  server.resume()
  await soon(() => expect(granted()).toBe(6))
  await vi.waitFor(async () => expect(await client.zcard(redisKeys().lane('a', 'one.test').leases)).toBe(6))
  for (const mail of mails) mail.lease?.release()
  await soon(() => expect(granted()).toBe(10))
  for (const mail of mails) mail.lease?.release()
  await vi.waitFor(async () => expect(await client.zcard(redisKeys().lane('a', 'one.test').leases)).toBe(0))
  client.disconnect()
})

test('idle connections of a worker without mail are given up for one that has some', async () => {
  const server = await redis()
  const idle: Lease[] = []
  const rich = await workerOn(server, () => ({ connection_limit: 4 }), { takeIdle: () => idle.pop() })
  const poor = await workerOn(server, () => ({ connection_limit: 4 }))
  // Connections that have carried their mail are idle and keep their lease, as host keeps them.
  const mails = Array.from({ length: 4 }, () => new Mail())
  for (const mail of mails) rich.lanes.admit('a', 'one.test', mail)
  await soon(() => expect(mails.every((mail) => mail.lease)).toBe(true))
  idle.push(...mails.flatMap((mail) => mail.lease ?? []))
  const waiting = Array.from({ length: 3 }, () => new Mail())
  for (const mail of waiting) poor.lanes.admit('a', 'one.test', mail)
  await soon(() => expect(waiting.every((mail) => mail.lease)).toBe(true))
  expect(idle).toHaveLength(1)
})

test('two busy workers share a lane, and with one lease they take turns', async () => {
  const server = await redis()
  for (const limit of [4, 1]) {
    const done = new Map<Worker, number>()
    const keepBusy = (worker: Worker, left: number): void => {
      worker.lanes.admit(
        'a',
        `limit${limit}.test`,
        new Mail((mail) => {
          setTimeout(() => {
            done.set(worker, (done.get(worker) ?? 0) + 1)
            if (left > 0) keepBusy(worker, left - 1)
            mail.lease?.release()
          }, 5)
        }),
      )
    }
    const first = await workerOn(server, () => ({ connection_limit: limit }))
    for (let n = 0; n < 8; n++) keepBusy(first, 2000)
    await soon(() => expect(done.get(first) ?? 0).toBeGreaterThan(20))
    const second = await workerOn(server, () => ({ connection_limit: limit }))
    for (let n = 0; n < 8; n++) keepBusy(second, 2000)
    await vi.waitFor(() => expect(done.get(second) ?? 0).toBeGreaterThan(20), { timeout: 10_000 })
    for (const { lanes } of [first, second]) for (const lane of lanes.crowded()) lane.remove(() => true)
  }
})
