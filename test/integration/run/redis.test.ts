import { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'

import { reachable, startRedis, type RedisServer } from '@sluice/run/redis'

const started: RedisServer[] = []
const start = async (...options: Parameters<typeof startRedis>): Promise<RedisServer> => {
  const redis = await startRedis(...options)
  started.push(redis)
  return redis
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((redis) => redis.stop()))
})

describe('a Redis of our own', () => {
  test('answers on a free port and is gone after stop', async () => {
    const redis = await start()
    expect(await reachable(redis.url)).toBe(true)
    await redis.stop()
    expect(await reachable(redis.url)).toBe(false)
  })

  test('comes back on the same port, empty', async () => {
    const first = await start()
    const client = new Redis(first.url)
    await client.set('key', 'value')
    client.disconnect()
    await first.kill()
    const second = await start({ port: first.port })
    const again = new Redis(second.url)
    expect(await again.get('key')).toBeNull()
    again.disconnect()
  })

  test('does not answer while paused', async () => {
    const redis = await start()
    redis.pause()
    expect(await reachable(redis.url, 200)).toBe(false)
    redis.resume()
    expect(await reachable(redis.url)).toBe(true)
  })
})
