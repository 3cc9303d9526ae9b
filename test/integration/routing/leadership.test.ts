import { once } from 'node:events'

import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { startRedis, type RedisServer } from '@sluice/run/redis'
import { silent } from '@sluice/sidecar/log'
import { connectRedis } from '@sluice/sidecar/redis/connection'
import { Leadership } from '@sluice/sidecar/routing/leadership'

const key = 'test:scorer'
const termMs = 600
let server: RedisServer
let redis: Redis

beforeAll(async () => {
  server = await startRedis()
  redis = connectRedis(server.url, silent)
  await once(redis, 'ready')
})
beforeEach(async () => {
  await redis.flushall()
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
})

const candidate = (id: string): Leadership => new Leadership({ redis, key, id, termMs, log: silent })

describe('the leadership', () => {
  it('is held by one of two, and goes to the other at once when given back', async () => {
    const [one, two] = [candidate('one'), candidate('two')]
    await one.start()
    await two.start()
    expect([one.leading, two.leading]).toEqual([true, false])
    await one.stop()
    expect(one.leading).toBe(false)
    await expect.poll(() => two.leading).toBe(true)
    await two.stop()
    expect(await redis.get(key)).toBeNull()
  })

  it('is renewed over many terms', async () => {
    const one = candidate('one')
    await one.start()
    const ends = performance.now() + 3 * termMs
    await expect.poll(() => performance.now() > ends, { timeout: 5000 }).toBe(true)
    expect(one.leading).toBe(true)
    expect(await redis.get(key)).toBe('one')
    await one.stop()
  })

  it('passes on when the holder dies without a word', async () => {
    await redis.set(key, 'dead', 'PX', termMs)
    const two = candidate('two')
    await two.start()
    expect(two.leading).toBe(false)
    await expect.poll(() => two.leading, { timeout: 5000 }).toBe(true)
    await two.stop()
  })

  it('is taken from garbage that never expires', async () => {
    await redis.rpush(key, 'x')
    const two = candidate('two')
    await two.start()
    expect(two.leading).toBe(true)
    await two.stop()
  })

  it('ends by the holder’s own clock while Redis is stopped', async () => {
    const own = await startRedis()
    const mine = connectRedis(own.url, silent)
    await once(mine, 'ready')
    const one = new Leadership({ redis: mine, key, id: 'one', termMs, log: silent })
    await one.start()
    own.pause()
    await expect.poll(() => one.leading, { timeout: 5000 }).toBe(false)
    own.resume()
    await expect.poll(() => one.leading, { timeout: 5000 }).toBe(true)
    await one.stop()
    mine.disconnect()
    await own.stop()
  })
})
