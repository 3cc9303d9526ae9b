// Parts that are away: each a coded error, nothing changed, and everything there when they come back.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { redisKeys } from '@sluice/core/redis/keys'
import { freePort } from '@sluice/run/port'
import { startRedis, type RedisServer } from '@sluice/run/redis'

import { runEngine, type Running as RunningEngine } from '../engine/running'
import { because, Running } from './running'

const keys = redisKeys()
let redis: RedisServer
let running: Running | undefined

beforeEach(async () => {
  redis = await startRedis()
})
afterEach(async () => {
  await running?.end()
  running = undefined
  await redis.stop()
})

interface Ready {
  ready: boolean
  parts: Record<string, { ok: boolean }>
}

describe('while Redis is away', () => {
  it('writes are answered 503 and leave no trace but the audit; reads go on with what was seen last', async () => {
    const sidecar = (running = await Running.start({ redisUrl: redis.url, clickhouseUrl: 'http://127.0.0.1:9' }))
    await sidecar.post('/v1/overrides', { source: 'a', weight: 1, ...because })
    const { port } = redis
    await redis.stop()
    const answer = await sidecar.post('/v1/overrides', { source: 'a', weight: 0, ...because })
    expect(answer.status).toBe(503)
    expect(answer.problem()).toMatchObject({ code: 'SLUICE_REDIS_AWAY', retry: true })
    const weights = (await sidecar.ask('/v1/weights')).json<{
      stale: boolean
      lanes: { weights: { weight: number }[] }[]
    }>()
    expect([weights.stale, weights.lanes[0]?.weights[0]?.weight]).toEqual([true, 1])
    expect((await sidecar.ask('/v1/ready')).json<Ready>().parts['redis']?.ok).toBe(false)
    const audit = await sidecar.lines('audit.ndjson')
    expect(audit.map(({ state }) => state)).toEqual(['asked', 'done', 'asked', 'failed'])

    redis = await startRedis({ port })
    await expect
      .poll(async () => (await sidecar.post('/v1/overrides', { source: 'b', weight: 2, ...because })).status, {
        timeout: 10_000,
      })
      .toBe(201)
    // that Redis was empty: the override of before is back with the new one
    const client = new Redis(redis.url)
    expect(await client.get(keys.routing)).toContain('"weight":1')
    client.disconnect()
  })

  it('it starts all the same', async () => {
    running = await Running.start({ redisUrl: 'redis://127.0.0.1:9', clickhouseUrl: 'http://127.0.0.1:9' })
    expect((await running.ask('/v1/health')).status).toBe(200)
    expect((await running.ask('/v1/ready')).status).toBe(503)
    expect((await running.ask('/v1/weights')).json()).toMatchObject({ version: 0, stale: true })
  })
})

describe('after Redis was flushed', () => {
  it('the leader puts the document back by itself', async () => {
    const sidecar = (running = await Running.start({ redisUrl: redis.url, clickhouseUrl: 'http://127.0.0.1:9' }))
    const { version } = (await sidecar.post('/v1/overrides', { source: 'a', weight: 1, ...because })).json<{
      version: number
    }>()
    const client = new Redis(redis.url)
    await client.flushall()
    await expect.poll(() => client.get(keys.routing), { timeout: 20_000 }).toContain('"source":"a"')
    const { version: after } = JSON.parse((await client.get(keys.routing)) ?? '{}') as { version: number }
    expect(after).toBeGreaterThan(version)
    client.disconnect()
  })
})

describe('while ClickHouse is away', () => {
  let engine: RunningEngine | undefined
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sluice-away-'))
  })
  afterEach(async () => {
    await engine?.end()
    engine = undefined
    await rm(folder, { recursive: true, force: true })
  })

  it('questions are answered 503, steering goes on, and its audit arrives when ClickHouse does', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const sidecar = (running = await Running.start({ redisUrl: redis.url, clickhouseUrl: url }))
    expect((await sidecar.ask('/v1/ready')).json<Ready>()).toMatchObject({
      ready: false,
      parts: { redis: { ok: true } },
    })
    for (const route of ['/v1/outcomes', '/v1/scores', '/v1/messages/x', '/v1/audit']) {
      const answer = await sidecar.ask(route)
      expect([route, answer.status, answer.problem().code]).toEqual([route, 503, 'SLUICE_CLICKHOUSE_AWAY'])
    }
    const sql = await sidecar.post('/v1/sql', { sql: 'SELECT 1' })
    expect(sql.problem().code).toBe('SLUICE_CLICKHOUSE_AWAY')
    expect((await sidecar.post('/v1/overrides', { source: 'a', weight: 0, ...because })).status).toBe(201)

    // The sidecar was started for a server; the engine speaks the same protocol, on that port, with credentials of its
    // own: so a second sidecar is told of them.
    engine = await runEngine({ port })
    await sidecar.stop()
    const { username, password } = engine.engine
    const again = await Running.start({
      redisUrl: redis.url,
      folder: sidecar.folder,
      clickhouseUrl: url.replace('//', `//${username}:${password}@`),
    })
    running = again
    await expect
      .poll(async () => (await again.ask('/v1/audit')).text, { timeout: 20_000 })
      .toContain('"action":"override","state":"done"')
    expect((await again.ask('/v1/ready')).status).toBe(200)
  })
})
