import { once } from 'node:events'

import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { redisKeys } from '@sluice/core/redis/keys'
import { routingSchema } from '@sluice/core/routing/table'
import { startRedis, type RedisServer } from '@sluice/run/redis'

import { because, Running } from './running'

interface Lanes {
  version: number
  stale: boolean
  lanes: { pool: string; provider: string; weights: { source: string; weight: number; share: number }[] }[]
}

const keys = redisKeys()
let redis: RedisServer
let client: Redis
let running: Running

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url)
  running = await Running.start({ redisUrl: redis.url })
})
beforeEach(async () => {
  await running.ask('/v1/sources/a/resume', { method: 'POST', body: because })
  const { overrides } = (await running.ask('/v1/overrides')).json<{ overrides: { id: string }[] }>()
  for (const { id } of overrides) await running.ask(`/v1/overrides/${id}`, { method: 'DELETE', body: because })
})
afterAll(async () => {
  await running.end()
  client.disconnect()
  await redis.stop()
})

const published = async () => routingSchema.parse(JSON.parse((await client.get(keys.routing)) ?? 'null'))

const weightOf = async (source: string, provider: string, pool = 'main'): Promise<number | undefined> => {
  const { lanes } = (await running.ask(`/v1/weights?pool=${pool}&provider=${provider}`)).json<Lanes>()
  return lanes[0]?.weights.find((one) => one.source === source)?.weight
}

describe('pools', () => {
  it('are as configured, without secrets', async () => {
    const answer = await running.ask('/v1/pools')
    expect(answer.json()).toMatchObject({
      pools: [
        { pool: 'main', streams: ['bulk'], sources: [{ source: 'a', base: 3, share: 0.75 }, { source: 'b' }] },
        { pool: 'spare', fallback_of: ['bulk'], sources: [{ kind: 'relay', relay: 'relay.example.com:587' }, {}] },
      ],
    })
    expect(answer.text).not.toContain('RELAY_PASSWORD')
  })
})

describe('an override', () => {
  it('reaches whoever listens in under a second, and the weights', async () => {
    const listener = new Redis(redis.url)
    await listener.subscribe(keys.routingChannel)
    const heard = once(listener, 'message')
    const began = performance.now()
    const answer = await running.post('/v1/overrides', { source: 'a', weight: 0, ...because })
    const { version } = answer.json<{ version: number }>()
    expect(answer.status).toBe(201)
    expect((await heard)[1]).toBe(String(version))
    expect(performance.now() - began).toBeLessThan(1000)
    expect(await published()).toMatchObject({ version, overrides: [{ source: 'a', weight: 0, author: 'anna' }] })
    expect(await weightOf('a', 'google')).toBe(0)
    expect(await weightOf('b', 'google')).toBe(1)
    listener.disconnect()
  })

  it('can be narrowed to a pool and a provider', async () => {
    await running.post('/v1/overrides', { source: 'b', pool: 'spare', provider: 'google', weight: 9, ...because })
    expect(await weightOf('b', 'google', 'spare')).toBe(9)
    expect(await weightOf('b', 'yahoo', 'spare')).toBe(1)
    expect(await weightOf('b', 'google', 'main')).toBe(1)
  })

  it('takes the place of the one before it', async () => {
    await running.post('/v1/overrides', { source: 'a', weight: 5, ...because })
    await running.post('/v1/overrides', { source: 'a', weight: 6, ...because })
    expect((await published()).overrides).toHaveLength(1)
    expect(await weightOf('a', 'google')).toBe(6)
  })

  it('ends by itself', async () => {
    const answer = await running.post('/v1/overrides', { source: 'a', weight: 0, expires_in_s: 0.3, ...because })
    expect(answer.json()).toMatchObject({ override: { source: 'a' } })
    expect(await weightOf('a', 'google')).toBe(0)
    await expect.poll(() => weightOf('a', 'google'), { timeout: 2000 }).toBe(3)
    // and is taken out of the document, once somebody tends it
    await expect.poll(async () => (await published()).overrides, { timeout: 8000 }).toEqual([])
  })

  it('is taken back by its id', async () => {
    const { override } = (await running.post('/v1/overrides', { source: 'a', weight: 0, ...because })).json<{
      override: { id: string }
    }>()
    const withdrawn = await running.ask(`/v1/overrides/${override.id}`, { method: 'DELETE', body: because })
    expect(withdrawn.json()).toMatchObject({ withdrawn: { id: override.id } })
    expect(await weightOf('a', 'google')).toBe(3)
    const again = await running.ask(`/v1/overrides/${override.id}`, { method: 'DELETE', body: because })
    expect([again.status, again.problem().code]).toEqual([404, 'SLUICE_HTTP_NOT_FOUND'])
  })

  it.each([
    ['an unknown source', { source: 'zz', weight: 1 }, 'source'],
    ['a source of another pool', { source: 'a', pool: 'spare', weight: 1 }, 'source'],
    ['an unknown pool', { source: 'a', pool: 'zz', weight: 1 }, 'pool'],
    ['a negative weight', { source: 'a', weight: -1 }, 'weight'],
    ['a weight that is text', { source: 'a', weight: '1' }, 'weight'],
    ['an unknown key', { source: 'a', weight: 1, wieght: 2 }, 'wieght'],
    ['two ends', { source: 'a', weight: 1, expires_in_s: 5, until: 9e15 }, 'until'],
    ['an end in the past', { source: 'a', weight: 1, until: '2020-01-01T00:00:00Z' }, 'until'],
    ['an end without offset', { source: 'a', weight: 1, until: '2099-01-01T00:00:00' }, 'until'],
    ['an endless time', { source: 'a', weight: 1, expires_in_s: 1e12 }, 'expires_in_s'],
    ['no author', { source: 'a', weight: 1, author: undefined }, 'author'],
    ['an empty reason', { source: 'a', weight: 1, reason: '  ' }, 'reason'],
  ])('with %s is refused by key, and changes nothing', async (_what, body, key) => {
    const before = await client.get(keys.routing)
    const answer = await running.post('/v1/overrides', { ...because, ...body })
    expect(answer.status).toBe(400)
    expect(answer.problem()).toMatchObject({ code: 'SLUICE_HTTP_BODY', details: [{ key }] })
    expect(await client.get(keys.routing)).toBe(before)
  })
})

describe('a suspension', () => {
  it('closes a source towards one provider, until it is lifted', async () => {
    const answer = await running.post('/v1/sources/a/suspend', { provider: 'google', ...because })
    expect([answer.status, answer.json()]).toMatchObject([201, { suspension: { source: 'a', provider: 'google' } }])
    expect(await weightOf('a', 'google')).toBe(0)
    expect(await weightOf('a', 'yahoo')).toBe(3)
    const lifted = await running.post('/v1/sources/a/resume', { provider: 'google', ...because })
    expect(lifted.json()).toMatchObject({ lifted: [{ provider: 'google' }] })
    expect(await weightOf('a', 'google')).toBe(3)
  })

  it('closes it towards everybody, and is lifted as it was made', async () => {
    await running.post('/v1/sources/a/suspend', { expires_in_s: 3600, ...because })
    expect(await weightOf('a', 'yahoo')).toBe(0)
    const narrow = await running.post('/v1/sources/a/resume', { provider: 'google', ...because })
    expect(narrow.problem().message).toContain('without provider')
    expect((await running.post('/v1/sources/a/resume', because)).status).toBe(200)
    expect((await running.post('/v1/sources/a/resume', because)).status).toBe(404)
  })

  it.each([
    ['pools/spare', { pool: 'spare' }, [3, 0]],
    ['providers/google', { provider: 'google' }, [0, 0]],
  ])('of %s as a whole closes all of its sources, until it is lifted', async (what, named, weights) => {
    const seen = async () => [await weightOf('a', 'google', 'main'), await weightOf('b', 'google', 'spare')]
    const answer = await running.post(`/v1/${what}/suspend`, because)
    expect([answer.status, answer.json()]).toMatchObject([201, { suspension: { ...named, author: 'anna' } }])
    expect(await seen()).toEqual(weights)
    expect((await running.post(`/v1/${what}/resume`, because)).json()).toMatchObject({ lifted: [named] })
    expect(await seen()).toEqual([3, 1])
    expect((await running.post(`/v1/${what}/resume`, because)).status).toBe(404)
  })

  it('of a pool can be towards one provider', async () => {
    await running.post('/v1/pools/main/suspend', { provider: 'google', ...because })
    expect([await weightOf('a', 'google'), await weightOf('a', 'yahoo')]).toEqual([0, 3])
    expect((await running.post('/v1/pools/main/resume', because)).status).toBe(200)
    const odd = await running.post('/v1/providers/google/suspend', { provider: 'yahoo', ...because })
    expect(odd.status).toBe(400)
  })

  it('of an unknown pool is refused', async () => {
    expect((await running.post('/v1/pools/zz/suspend', because)).status).toBe(404)
  })

  it('of an unknown source is refused', async () => {
    const answer = await running.post('/v1/sources/zz/suspend', because)
    expect([answer.status, answer.problem().code]).toEqual([404, 'SLUICE_HTTP_NOT_FOUND'])
  })
})

describe('the audit', () => {
  it('has every change with author, reason and what became of it', async () => {
    await running.post('/v1/overrides', { source: 'b', weight: 2, author: 'bert', reason: 'more of it' })
    await running.ask('/v1/overrides/o-none', { method: 'DELETE', body: { author: 'bert', reason: 'gone' } })
    await expect
      .poll(async () => (await running.ask('/v1/audit?author=bert')).json<{ entries: unknown[] }>().entries)
      .toMatchObject([
        { action: 'withdraw', state: 'failed', author: 'bert', reason: 'gone' },
        {
          action: 'override',
          state: 'done',
          source: 'b',
          reason: 'more of it',
          token: 'admin',
          details: { weight: 2 },
        },
      ])
    const { rows } = (
      await running.post('/v1/sql', { sql: "SELECT count() FROM audit FINAL WHERE author = 'bert'" })
    ).json<{ rows: unknown[][] }>()
    await expect.poll(() => rows).toEqual([['2']])
  })

  it('keeps every routing document in ClickHouse', async () => {
    const { version } = (await running.post('/v1/overrides', { source: 'b', weight: 3, ...because })).json<{
      version: number
    }>()
    const sql = `SELECT reason FROM routing_documents FINAL WHERE version = ${version}`
    await expect
      .poll(async () => (await running.post('/v1/sql', { sql })).json<{ rows: unknown[][] }>().rows)
      .toEqual([['override: test']])
  })
})

describe('the routing document', () => {
  it('is shown as the workers have it, with those before it', async () => {
    await running.post('/v1/overrides', { source: 'b', weight: 4, ...because })
    await running.post('/v1/overrides', { source: 'b', weight: 5, ...because })
    const answer = (await running.ask('/v1/routing?history=1')).json<{
      document: unknown
      history: { version: number }[]
    }>()
    expect(answer.document).toEqual(await published())
    expect(answer.history).toHaveLength(1)
  })
})
