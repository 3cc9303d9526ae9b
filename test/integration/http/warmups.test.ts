// Warm-ups over HTTP and on the command line: started as configured and by hand, held, set, each change audited; the
// history with its figures; what is not right is refused by key.
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'

import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

import { redisKeys } from '@sluice/core/redis/keys'
import { dayOf } from '@sluice/core/warmup/allowance'
import { parseWarmups } from '@sluice/core/warmup/document'
import { startRedis, type RedisServer } from '@sluice/run/redis'

import { because, Running } from './running'

const cli = path.resolve(__dirname, '../../../sidecar/dist/cli/main.js')
const keys = redisKeys()
let redis: RedisServer
let client: Redis
let running: Running

beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url)
  running = await Running.start({
    redisUrl: redis.url,
    shaping: 'warmup:\n  - { source: b, plan: conservative, providers: { google: 1, yahoo: 1 } }\n',
  })
  await vi.waitFor(async () => expect(await client.get(keys.warmup)).not.toBeNull(), { timeout: 20_000, interval: 100 })
})
afterAll(async () => {
  await running.end()
  client.disconnect()
  await redis.stop()
})

interface Listed {
  readonly stale: boolean
  readonly warmups: readonly Record<string, unknown>[]
}

const published = async () => parseWarmups((await client.get(keys.warmup)) ?? '')
const listed = async (query = '') => (await running.ask(`/v1/warmups${query}`)).json<Listed>()
const historyOf = async (source: string) =>
  (await running.ask(`/v1/warmups/${source}/history`)).json<{ events: Record<string, unknown>[] }>().events
const sluice = async (...args: string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, [cli, '-c', running.folder, ...args])
  return stdout
}

describe('warm-ups', () => {
  it('are started as configured, and listed with what is used of today', async () => {
    await client.set(keys.warmed('b', 'google', dayOf(Date.now())), 7)
    expect(await listed('?source=b')).toMatchObject({
      stale: false,
      warmups: [
        { source: 'b', provider: 'google', plan: 'conservative', status: 'warming', stage: 0, stages: 31, used: 7 },
        { source: 'b', provider: 'yahoo', origin: 'configured', note: 'configured', used: 0 },
      ],
    })
    expect(await historyOf('b')).toMatchObject([
      { kind: 'started', author: '', reason: 'configured', stage_to: 0, allowance_to: 50 },
      { kind: 'started' },
    ])
  })

  it('are started, held, let go on and set by hand, published at once and audited', async () => {
    const started = await running.post('/v1/warmups/a/start', {
      plan: 'sparkpost',
      providers: { google: 0.4, '*': 0.6 },
      stage: 2,
      overflow: 'wait',
      author: 'anna',
      reason: 'new address',
    })
    expect([started.status, started.json()]).toMatchObject([
      201,
      {
        warmups: [
          { provider: '*', share: 0.6, stage: 2 },
          { provider: 'google', overflow: 'wait' },
        ],
      },
    ])
    const channel = new Redis(redis.url)
    await channel.subscribe(keys.warmupChannel)
    const heard = new Promise((resolve) => channel.once('message', (_name, version) => resolve(version)))
    const held = await running.post('/v1/warmups/a/hold', { provider: 'google', author: 'anna', reason: 'migration' })
    expect(held.json()).toMatchObject({ warmups: [{ provider: 'google', status: 'held', note: 'migration' }] })
    expect(await heard).toBe(String((await published()).version))
    channel.disconnect()
    await running.post('/v1/warmups/a/resume', { provider: 'google', author: 'anna', reason: 'done' })
    const set = await running.post('/v1/warmups/a/stage', { stage: 366, author: 'anna', reason: 'known to be warm' })
    expect(set.json()).toMatchObject({
      warmups: [
        { status: 'done', stage: 29 },
        { status: 'done', stage: 29 },
      ],
    })
    expect((await listed('?source=a')).warmups[0]).toMatchObject({ allowance: null })
    expect((await published()).warmups.filter(({ source }) => source === 'a')).toHaveLength(2)

    const events = (await historyOf('a')).map(({ kind, author }) => `${String(author)} ${String(kind)}`)
    expect(events).toEqual(['set', 'set', 'resumed', 'paused', 'started', 'started'].map((kind) => `anna ${kind}`))
    const { entries } = (await running.ask('/v1/audit?source=a')).json<{ entries: Record<string, unknown>[] }>()
    expect(entries).toMatchObject([
      { action: 'set_warmup_stage', state: 'done', reason: 'known to be warm', details: { stage: 366 } },
      { action: 'resume_warmup', state: 'done', provider: 'google' },
      { action: 'hold_warmup', state: 'done', provider: 'google' },
      { action: 'start_warmup', state: 'done', details: { plan: 'sparkpost', overflow: 'wait' } },
    ])
  })

  it.each([
    ['an unknown source', '/v1/warmups/zz/start', { plan: 'sparkpost' }, 404, undefined],
    ['an unknown plan', '/v1/warmups/a/start', { plan: 'nope' }, 400, 'plan'],
    [
      'shares of more than the whole',
      '/v1/warmups/a/start',
      { plan: 'sparkpost', providers: { a: 0.7, b: 0.7 } },
      400,
      'providers',
    ],
    [
      'a relay towards one provider',
      '/v1/warmups/r/start',
      { plan: 'sparkpost', providers: { google: 1 } },
      400,
      'providers',
    ],
    ['no reason', '/v1/warmups/a/start', { plan: 'sparkpost', reason: '' }, 400, 'reason'],
    ['a stage before the first', '/v1/warmups/b/stage', { stage: -1 }, 400, 'stage'],
    ['a source that is not warmed up', '/v1/warmups/r/hold', {}, 404, undefined],
    ['a provider that is not', '/v1/warmups/b/hold', { provider: 'orange' }, 404, undefined],
  ])('with %s are refused, and nothing is changed', async (_what, route, body, status, key) => {
    const before = await client.get(keys.warmup)
    const answer = await running.post(route, { ...because, ...body })
    expect(answer.status).toBe(status)
    expect(answer.problem().details?.[0]?.key).toBe(key)
    expect(await client.get(keys.warmup)).toBe(before)
  })

  it('are put back by the leader when Redis has lost them', async () => {
    const before = await published()
    await client.del(keys.warmup)
    await expect.poll(() => client.get(keys.warmup), { timeout: 20_000, interval: 200 }).not.toBeNull()
    const after = await published()
    expect(after.warmups).toEqual(before.warmups)
    expect(after.version).toBeGreaterThan(before.version)
  })

  it('are seen and changed on the command line', async () => {
    expect(await sluice('warmup', 'stage', 'b', '3', '--provider', 'google', '--reason', 'trusted')).toContain(
      'b towards google: warming, stage 3 of conservative',
    )
    const list = await sluice('warmup', 'list', '--source', 'b')
    expect(list).toMatch(/b +google +conservative +warming +3 +31 +\d+ +7 +pool +trusted/)
    expect(await sluice('warmup', 'history', 'b', '--provider', 'google')).toMatch(/google .* set +0 +3 .*trusted/)
    expect(
      await sluice('warmup', 'start', 'b', '--plan', 'sendgrid', '--provider', 'google=0.5', '--reason', 'anew'),
    ).toContain('b towards google: warming, stage 0 of sendgrid')
    const refused = sluice('warmup', 'hold', 'zz', '--reason', 'x')
    await expect(refused).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('zz is not warmed up') as string,
    })
  })
})
