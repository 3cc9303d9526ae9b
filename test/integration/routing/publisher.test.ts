import { mkdtemp, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { redisKeys } from '@sluice/core/redis/keys'
import { routingSchema, type Override } from '@sluice/core/routing/table'
import { withOverride } from '@sluice/core/routing/terms'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { silent } from '@sluice/sidecar/log'
import { connectRedis } from '@sluice/sidecar/redis/connection'
import { RoutingMemory } from '@sluice/sidecar/routing/memory'
import { historyLength, nextVersion, RoutingPublisher } from '@sluice/sidecar/routing/publisher'

const keys = redisKeys('test')
let server: RedisServer
let client: Redis
let folder: string
const opened: Redis[] = []
const memories: RoutingMemory[] = []

const memoryIn = async (file: string): Promise<RoutingMemory> => {
  const memory = await RoutingMemory.open(path.join(folder, file), silent)
  memories.push(memory)
  return memory
}

const publisherOn = async (file = 'routing.json', now?: () => number): Promise<RoutingPublisher> => {
  const redis = connectRedis(server.url, silent)
  opened.push(redis)
  await once(redis, 'ready')
  const memory = await memoryIn(file)
  return new RoutingPublisher({ redis, keys, memory, log: silent, ...(now && { now }) })
}

const override = (parts: Partial<Override> = {}): Override => ({
  id: 'o1',
  source: 'a',
  weight: 0,
  author: 'anna',
  reason: 'listed',
  since: 1,
  ...parts,
})

beforeAll(async () => {
  server = await startRedis()
  client = new Redis(server.url)
})
beforeEach(async () => {
  await client.flushall()
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-routing-'))
})
afterEach(async () => {
  for (const redis of opened.splice(0)) redis.disconnect()
  await Promise.all(memories.splice(0).map((memory) => memory.settled()))
  await rm(folder, { recursive: true, force: true })
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
})

const stored = async () => routingSchema.parse(JSON.parse((await client.get(keys.routing)) ?? 'null'))

describe('the publisher', () => {
  it('publishes a whole document, notifies, and keeps the one before', async () => {
    const publisher = await publisherOn()
    const listener = new Redis(server.url)
    opened.push(listener)
    await listener.subscribe(keys.routingChannel)
    const heard = once(listener, 'message')
    const first = await publisher.change('test', 'first', () => ({}))
    expect((await heard)[1]).toBe(String(first.document.version))
    const second = await publisher.change('test', 'second', (now) => withOverride(now, override()))
    expect(second.document.version).toBeGreaterThan(first.document.version)
    expect(await stored()).toEqual(second.document)
    expect(await publisher.history(10)).toEqual([first.document])
  })

  it('loses no change when many publish at once', async () => {
    const publishers = await Promise.all(['1', '2', '3'].map((one) => publisherOn(one)))
    const changes = publishers.flatMap((publisher, at) =>
      [0, 1].map((index) =>
        publisher.change('test', 'race', (now) =>
          withOverride(now, override({ id: `${at}${index}`, source: `s${at}${index}` })),
        ),
      ),
    )
    const versions = (await Promise.all(changes)).map(({ document }) => document.version)
    expect(new Set(versions).size).toBe(6)
    expect((await stored()).overrides.map(({ id }) => id).sort()).toEqual(['00', '01', '10', '11', '20', '21'])
  })

  it('bounds the history', async () => {
    await client.rpush(keys.routingHistory, ...Array.from({ length: historyLength + 20 }, () => '{}'))
    const publisher = await publisherOn()
    await publisher.change('test', 'one', () => ({}))
    await publisher.change('test', 'two', () => ({}))
    expect(await client.llen(keys.routingHistory)).toBe(historyLength)
  })

  it('puts the document back with a higher version after Redis was flushed, overrides included', async () => {
    const publisher = await publisherOn()
    const { document } = await publisher.change('test', 'listed', (now) => withOverride(now, override()))
    await client.flushall()
    const restored = await publisher.tend('test')
    expect(restored?.document.version).toBeGreaterThan(document.version)
    expect((await stored()).overrides).toEqual(document.overrides)
  })

  it('does so after a restart too, and starts above any earlier version where nothing is remembered', async () => {
    const first = await publisherOn('memory.json')
    const { document } = await first.change('test', 'listed', (now) => withOverride(now, override()))
    await first.change('test', 'again', () => ({}))
    await Promise.all(memories.map((memory) => memory.settled()))
    await client.flushall()
    const again = await publisherOn('memory.json')
    expect((await again.tend('test'))?.document.overrides).toEqual(document.overrides)
    await client.flushall()
    const stranger = await publisherOn('nothing.json')
    expect((await stranger.change('test', 'anew', () => ({}))).document.version).toBeGreaterThanOrEqual(
      document.version,
    )
    expect(nextVersion(5, 1_700_000_000_999)).toBe(1_700_000_000)
    expect(nextVersion(1_800_000_000, 1_700_000_000_000)).toBe(1_800_000_001)
  })

  it.each([
    ['no JSON', 'garbage{{'],
    ['another shape', '{"version":"x"}'],
    ['a version nobody can count from', '{"version":1e308}'],
    [
      'a bad weight',
      '{"version":7,"at":1,"by":"","reason":"","pools":{"p":{"g":{"a":{"weight":-1}}}},"overrides":[],"suspensions":[]}',
    ],
  ])('goes on over %s in Redis', async (_what, garbage) => {
    const publisher = await publisherOn()
    await publisher.change('test', 'good', (now) => withOverride(now, override()))
    await client.set(keys.routing, garbage)
    expect((await publisher.read()).overrides).toHaveLength(1)
    const { document } = await publisher.change('test', 'after', () => ({}))
    expect(await stored()).toEqual(document)
    expect(document.overrides).toHaveLength(1)
  })

  it('goes on over keys of another type', async () => {
    const publisher = await publisherOn()
    await client.rpush(keys.routing, 'x')
    await client.set(keys.routingHistory, 'y')
    await publisher.change('test', 'one', () => ({}))
    await publisher.change('test', 'two', () => ({}))
    expect((await stored()).reason).toBe('two')
    expect(await client.llen(keys.routingHistory)).toBe(1)
  })

  it('drops lapsed terms when it tends, and publishes nothing where nothing has lapsed', async () => {
    let now = 1_000_000
    const publisher = await publisherOn('clock.json', () => now)
    await publisher.change('test', 'short', (found) => withOverride(found, override({ until: 1_500_000 })))
    expect(await publisher.tend('test')).toBeUndefined()
    now = 1_500_001
    expect((await publisher.tend('test'))?.document.overrides).toEqual([])
  })
})

describe('when Redis is away', () => {
  it('answers SLUICE_REDIS_AWAY at once, and works again when it is back', async () => {
    const own = await startRedis()
    const redis = connectRedis(own.url, silent)
    opened.push(redis)
    await once(redis, 'ready')
    const memory = await memoryIn('away.json')
    const publisher = new RoutingPublisher({ redis, keys, memory, log: silent })
    await own.stop()
    await expect(publisher.change('test', 'no', () => ({}))).rejects.toMatchObject({ code: 'SLUICE_REDIS_AWAY' })
    const back = await startRedis({ port: own.port })
    await once(redis, 'ready')
    expect((await publisher.change('test', 'yes', () => ({}))).document.version).toBeGreaterThan(0)
    await back.stop()
  })

  it('a change asked for while Redis was stopped is not made later', async () => {
    const own = await startRedis()
    const redis = connectRedis(own.url, silent)
    opened.push(redis)
    await once(redis, 'ready')
    const memory = await memoryIn('stopped.json')
    const publisher = new RoutingPublisher({ redis, keys, memory, log: silent })
    const slow = publisher.change('test', 'no', () => {
      own.pause() // between reading and publishing
      return {}
    })
    await expect(slow).rejects.toMatchObject({ code: 'SLUICE_REDIS_AWAY' })
    own.resume()
    const look = new Redis(own.url)
    opened.push(look)
    expect(await look.get(keys.routing)).toBeNull()
    await own.stop()
  })
})
