// The lease scripts on a real Redis against a model: random acquisitions, repeated requests, releases (twice too),
// renewals and expiries, interleaved over several workers. The clock is Redis' own, so expiry is played by ageing the
// sorted set, which is what the scripts see of time.

import { redisKeys } from '@sluice/core/redis/keys'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { readScripts, type ScriptCommands } from '../../../plugins/egress/redis/scripts'

const ttlMs = 60_000
const runs = Number(process.env['SLUICE_LEASE_RUNS'] ?? 60)

let server: RedisServer
let redis: Redis & ScriptCommands
const keys = redisKeys('test')
const key = keys.leases('a', 'one.test')

beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.url, { scripts: readScripts() }) as Redis & ScriptCommands
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})
beforeEach(() => redis.flushall())

const acquire = (limit: number, ids: readonly string[]) => redis.acquireLeases(key, limit, ttlMs, '', '', '', ...ids)
const release = (id: string, limit = 1) => redis.releaseLease(key, id, limit, keys.leaseChannel, 'a|one.test')

type Action =
  | { readonly do: 'acquire'; readonly ids: readonly number[] }
  | { readonly do: 'release'; readonly id: number }
  | { readonly do: 'renew'; readonly ids: readonly number[] }
  | { readonly do: 'age'; readonly ms: number }

const id = fc.integer({ min: 0, max: 11 })
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      ids: fc.uniqueArray(id, { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('release' as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), ids: fc.uniqueArray(id, { maxLength: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('age' as const), ms: fc.integer({ min: 1, max: 6 }).map((n) => n * 7000) }),
  },
)

/** Makes every lease `ms` older. */
const age = async (ms: number): Promise<void> => {
  const members = await redis.zrange(key, '0', '-1')
  for (const member of members) await redis.zincrby(key, -ms, member)
}

test('random interleavings agree with a model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.array(action, { maxLength: 40 }), async (limit, actions) => {
      await redis.flushall()
      /** lease id -> ms left; steps of 7 s never leave a rest that the real clock could use up meanwhile */
      const model = new Map<string, number>()
      const slack = 1000
      for (const one of actions) {
        if (one.do === 'age') {
          await age(one.ms)
          for (const [name, left] of model) model.set(name, left - one.ms)
        } else if (one.do === 'release') {
          const name = `lease${one.id}`
          // An expired lease that nobody has swept yet may still be there: releasing it is allowed to succeed.
          const held = model.delete(name)
          const released = await release(name, limit)
          expect(released).toBe(held ? 1 : 0)
        } else if (one.do === 'renew') {
          if (one.ids.length === 0) continue
          const names = one.ids.map((n) => `lease${n}`)
          expect(await redis.renewLeases(key, ttlMs, ...names)).toBe(names.filter((name) => !model.has(name)).length)
          for (const name of names) model.set(name, ttlMs)
        } else {
          for (const [name, left] of model) if (left <= 0) model.delete(name)
          const names = one.ids.map((n) => `lease${n}`)
          let expected = 0
          for (const name of names) {
            if (!model.has(name) && model.size >= limit) break
            model.set(name, ttlMs)
            expected++
          }
          const [granted, wait] = await acquire(limit, names)
          expect(granted).toBe(expected)
          const soonest = Math.min(...model.values())
          if (granted < names.length) expect(Math.abs(wait - soonest)).toBeLessThan(slack)
          else expect(wait).toBe(0)
        }
        expect(await redis.zcard(key)).toBe(model.size)
      }
    }),
    { numRuns: runs },
  )
})

test('a repeated request holds one slot and answers the same', async () => {
  expect(await acquire(2, ['x', 'y'])).toEqual([2, 0])
  expect(await acquire(2, ['x', 'y'])).toEqual([2, 0])
  const [granted, wait] = await acquire(2, ['z'])
  expect(granted).toBe(0)
  expect(wait).toBeGreaterThan(ttlMs - 1000)
})

test('a release is idempotent, and is told only where the lane was full', async () => {
  const told: string[] = []
  const listener = new Redis(server.url)
  await listener.subscribe(keys.leaseChannel)
  listener.on('message', (_channel, lane) => told.push(lane))
  await acquire(2, ['x', 'y'])
  expect(await release('x', 2)).toBe(1)
  expect(await release('x', 2)).toBe(0)
  expect(await release('y', 2)).toBe(1)
  expect(await release('nobody', 2)).toBe(0)
  await listener.unsubscribe()
  expect(told).toEqual(['a|one.test'])
  listener.disconnect()
})

test('leases of a silent worker are free after their time to live', async () => {
  expect(await redis.acquireLeases(key, 1, 50, '', '', '', 'x')).toEqual([1, 0])
  const [refused, wait] = await redis.acquireLeases(key, 1, 50, '', '', '', 'y')
  expect(refused).toBe(0)
  expect(wait).toBeLessThanOrEqual(50)
  await expect.poll(() => redis.acquireLeases(key, 1, 50, '', '', '', 'y'), { interval: 5 }).toEqual([1, 0])
})

test('heartbeats count the workers that are alive', async () => {
  expect(await redis.heartbeat(keys.workers, 'w1', 10_000)).toBe(1)
  expect(await redis.heartbeat(keys.workers, 'w2', 10_000)).toBe(2)
  expect(await redis.heartbeat(keys.workers, 'w2', 10_000)).toBe(2)
  await redis.zincrby(keys.workers, -20_000, 'w1')
  expect(await redis.heartbeat(keys.workers, 'w2', 10_000)).toBe(1)
})

test('every key of a lane has one hash tag', () => {
  expect(key).toMatch(/^[^{}]*\{[^{}]+\}[^{}]*$/)
})
