// Maps that workers share over a real Redis: they agree whatever happens at the same time, nothing is lost while Redis
// is away, a missed notice is found out, and what does not parse changes nothing.

import { SluiceError } from '@sluice/core/errors'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import { SharedMap } from '../../../plugins/egress/reaction/shared-map'
import { RedisLink } from '../../../plugins/egress/redis/link'

const keys = { entries: 't:{t}:entries', ends: 't:{t}:ends', sequence: 't:{t}:sequence', channel: 't:changes' }

/** Sets of words; joining is their union. */
type Words = readonly string[]

const parse = (text: string): Words => {
  const value: unknown = JSON.parse(text)
  if (!Array.isArray(value)) throw new SluiceError('SLUICE_REDIS_CONTENT', 'no list')
  return value.map(String)
}

interface Worker {
  readonly map: SharedMap<Words>
  readonly link: RedisLink
  readonly errors: string[]
}

let workers = 0

const workerOn = async (server: RedisServer, most = 1000): Promise<Worker> => {
  const errors: string[] = []
  const log = { notice: () => undefined, error: (text: string) => void errors.push(text) }
  const link = new RedisLink({ url: server.url }, log)
  const map = new SharedMap<Words>({
    link,
    log,
    worker: `w${++workers}`,
    keys,
    parse,
    say: (words) => JSON.stringify(words),
    join: (a, b) => [...new Set([...a, ...b])].toSorted(),
    keptMs: () => 60_000,
    most,
  })
  onTestFinished(() => {
    map.stop()
    link.close()
  })
  link.open()
  map.start()
  await map.ready(5000)
  return { map, link, errors }
}

const redis = async (): Promise<{ server: RedisServer; client: Redis }> => {
  const server = await startRedis()
  const client = new Redis(server.url)
  onTestFinished(async () => {
    client.disconnect()
    await server.stop()
  })
  return { server, client }
}

const soon = (assertion: () => void | Promise<void>, timeout = 5000) => vi.waitFor(assertion, { timeout, interval: 5 })

test('what one worker learns the others know at once, and one that starts later too', async () => {
  const { server } = await redis()
  const [here, there] = [await workerOn(server), await workerOn(server)]
  const begin = performance.now()
  here.map.put('lane', ['closed'], true)
  expect(here.map.get('lane')).toEqual(['closed'])
  await soon(() => expect(there.map.get('lane')).toEqual(['closed']))
  expect(performance.now() - begin).toBeLessThan(1000)
  expect((await workerOn(server)).map.get('lane')).toEqual(['closed'])
})

test('workers that write the same entry at the same time all end with the join of it', async () => {
  const { server } = await redis()
  const fleet = await Promise.all(Array.from({ length: 6 }, () => workerOn(server)))
  fleet.forEach(({ map }, index) => {
    for (let n = 0; n < 10; n++) map.put('lane', [...(map.get('lane') ?? []), `${index}.${n}`], true)
  })
  const all = Array.from({ length: 6 }, (_, index) => Array.from({ length: 10 }, (_, n) => `${index}.${n}`)).flat()
  await soon(() => {
    for (const { map } of fleet) expect(map.get('lane')?.toSorted()).toEqual(all.toSorted())
  }, 10_000)
})

test('what is not urgent is written with the next batch', async () => {
  const { server, client } = await redis()
  const { map } = await workerOn(server)
  map.put('lane', ['wider'], false)
  expect(await client.hget(keys.entries, 'lane')).toBeNull()
  await soon(async () => expect(await client.hget(keys.entries, 'lane')).toBe('["wider"]'))
})

test('what is learnt while Redis is away is told when it is back', async () => {
  const { server } = await redis()
  const [here, there] = [await workerOn(server), await workerOn(server)]
  server.pause()
  here.map.put('lane', ['a'], true)
  there.map.put('lane', ['b'], true)
  await soon(() => expect(here.link.present || there.link.present).toBe(false))
  server.resume()
  await soon(() => {
    expect(here.map.get('lane')).toEqual(['a', 'b'])
    expect(there.map.get('lane')).toEqual(['a', 'b'])
  }, 10_000)
})

test('a change whose notice was lost is found all the same', async () => {
  const { server, client } = await redis()
  const { map } = await workerOn(server)
  await client.hset(keys.entries, 'lane', '["x"]')
  await client.incr(keys.sequence)
  await soon(() => expect(map.get('lane')).toEqual(['x']), 10_000)
})

test('a Redis that has lost its data is given back what workers know', async () => {
  const { server, client } = await redis()
  const { map } = await workerOn(server)
  map.put('lane', ['x'], true)
  await soon(async () => expect(await client.hget(keys.entries, 'lane')).toBe('["x"]'))
  await client.flushall()
  await soon(async () => expect(await client.hget(keys.entries, 'lane')).toBe('["x"]'), 10_000)
  expect(map.get('lane')).toEqual(['x'])
})

test('content that does not parse is said with its code and changes nothing', async () => {
  const { server, client } = await redis()
  await client.hset(keys.entries, 'bad', '{', 'good', '["x"]', 'worse', '7')
  const { map, errors } = await workerOn(server)
  expect(map.get('good')).toEqual(['x'])
  expect(map.get('bad')).toBeUndefined()
  expect(errors.filter((text) => text.includes('SLUICE_REDIS_CONTENT'))).toHaveLength(1)
  expect(errors).toHaveLength(2)
  map.put('worse', ['y'], true)
  await soon(async () => expect(await client.hget(keys.entries, 'worse')).toBe('["y"]'))
})

test('it is bounded: what ends first gives way', async () => {
  const { server, client } = await redis()
  const { map } = await workerOn(server, 20)
  for (let n = 0; n < 60; n++) map.put(`lane${n}`, ['x'], true)
  await soon(async () => expect(await client.get(keys.sequence)).toBe('60'))
  expect(await client.hlen(keys.entries)).toBe(20)
  expect(await client.zcard(keys.ends)).toBe(20)
  expect((await workerOn(server)).map.size).toBe(20)
})
