// The whole judgement with real parts in quick motion: outcomes into ClickHouse, scored, published in Redis, read back
// as the workers do. Time is told by the test; a second of it takes a few milliseconds.
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { readEgress } from '@sluice/core/config/egress'
import { readSidecar } from '@sluice/core/config/sidecar'
import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { redisKeys } from '@sluice/core/redis/keys'
import { draw, prepareLottery } from '@sluice/core/routing/choose'
import { effectiveWeights } from '@sluice/core/routing/effective'
import { routingSchema, type RoutingDocument } from '@sluice/core/routing/table'
import { withOverride } from '@sluice/core/routing/terms'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import type { LiveConfiguration } from '@sluice/sidecar/config/live'
import type { Database } from '@sluice/sidecar/database'
import { silent } from '@sluice/sidecar/log'
import { connectRedis } from '@sluice/sidecar/redis/connection'
import { RoutingMemory } from '@sluice/sidecar/routing/memory'
import { RoutingPublisher } from '@sluice/sidecar/routing/publisher'
import { Scorer } from '@sluice/sidecar/score/scorer'

import { runEngine, type Running } from '../engine/running'
import { blockedBy, insertOutcomes, outcome } from './outcomes'

const egress = readEgress(
  'egress.yaml',
  `
sources:
  a: { ip: 127.0.1.1, ehlo: a.example.com }
  b: { ip: 127.0.1.2, ehlo: b.example.com }
  c: { ip: 127.0.1.3, ehlo: c.example.com }
pools:
  main: { a: 1, b: 1, c: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`,
)
const sidecar = readSidecar(
  'sidecar.yaml',
  'score: { interval_s: 1, half_life_s: 20, double_s: 8, halve_s: 2, explore: 0.05 }',
)
const keys = redisKeys('loop')

let running: Running
let client: Awaited<ReturnType<typeof openClickHouse>>
let server: RedisServer
let redis: Redis
let folder: string

beforeAll(async () => {
  running = await runEngine()
  client = await openClickHouse({ engine: running.engine })
  server = await startRedis()
  redis = connectRedis(server.url, silent)
  await once(redis, 'ready')
})
beforeEach(async () => {
  await client.command({ query: 'TRUNCATE TABLE outcomes' })
  await redis.flushall()
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-loop-'))
})
afterAll(async () => {
  redis.disconnect()
  await server.stop()
  await client.close()
  await running.end()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** mulberry32 */
const dice = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

interface World {
  readonly seconds: number
  /** Messages a second to each provider. */
  readonly rate: number
  readonly blocks: (source: string, provider: string, second: number) => boolean
  readonly at?: (second: number, publisher: RoutingPublisher) => Promise<unknown>
}

const begin = Date.now() - 3_600_000

/** Sends, judges and steers for so many seconds; answers how many messages went where, by second. */
const live = async ({ seconds, rate, blocks, at }: World) => {
  let now = begin
  const memory = await RoutingMemory.open(path.join(folder, 'routing.json'), silent)
  const publisher = new RoutingPublisher({ redis, keys, memory, log: silent, now: () => now })
  const scorer = new Scorer({
    configuration: { current: { sidecar, egress } } as unknown as LiveConfiguration,
    database: { client, demand: () => client } as unknown as Database,
    publisher,
    leadership: { leading: true },
    id: 'test',
    log: silent,
    now: () => now,
  })
  const roll = dice(42)
  const sent: { second: number; source: string; provider: string }[] = []
  for (let second = 0; second < seconds; second++) {
    now = begin + second * 1000
    await at?.(second, publisher)
    const text = await redis.get(keys.routing)
    const document: RoutingDocument | undefined = text === null ? undefined : routingSchema.parse(JSON.parse(text))
    const rows: OutcomeRecord[] = []
    for (const provider of ['google', 'yahoo']) {
      const lottery = prepareLottery(effectiveWeights(egress, document, 'main', provider, now).weights)
      for (let index = 0; index < rate; index++) {
        const source = draw(lottery, roll())?.source ?? ''
        sent.push({ second, source, provider })
        const made = { source, provider, at: now + Math.floor((index * 1000) / rate) }
        if (blocks(source, provider, second)) rows.push(blockedBy(made))
        else if (roll() < 0.02)
          rows.push(outcome({ ...made, kind: 'bounced', class: 'invalid_recipient', blame: 'recipient' }))
        else rows.push(outcome(made))
      }
    }
    await insertOutcomes(client, rows)
    now = begin + (second + 1) * 1000
    await scorer.round()
    expect(scorer.fault).toBe('')
  }
  await publisher.settled()
  return (source: string, provider: string, from: number, to: number): number => {
    const there = sent.filter((one) => one.provider === provider && one.second >= from && one.second < to)
    return there.filter((one) => one.source === source).length / there.length
  }
}

const listed = { from: 20, to: 80 }
const listing = (source: string, provider: string, second: number): boolean =>
  source === 'b' && provider === 'google' && second >= listed.from && second < listed.to

describe('the loop with ClickHouse and Redis', () => {
  it('takes a listed source out at that provider within 30 s, and lets it come back when the listing ends', async () => {
    const share = await live({ seconds: 170, rate: 12, blocks: listing })
    expect(share('b', 'google', 0, 20)).toBeGreaterThan(0.25)
    expect(share('b', 'google', 50, 80)).toBeLessThan(0.1 / 3)
    expect(share('b', 'yahoo', 20, 80)).toBeGreaterThan(0.27)
    expect(share('b', 'google', 140, 170)).toBeGreaterThan(0.5 / 3)
  }, 180_000)

  it('keeps an operator’s override over every score it publishes', async () => {
    const share = await live({
      seconds: 60,
      rate: 12,
      blocks: listing,
      at: async (second, publisher) => {
        if (second !== 30) return
        const override = { id: 'o1', source: 'a', weight: 0, author: 'anna', reason: 'mine', since: begin }
        await publisher.change('anna', 'mine', (document) => withOverride(document, override))
      },
    })
    expect(share('a', 'google', 31, 60)).toBe(0)
    expect(share('a', 'yahoo', 31, 60)).toBe(0)
  })

  it('leaves everything alone, and publishes nothing, while all is well', async () => {
    await live({ seconds: 15, rate: 12, blocks: () => false })
    expect(await redis.get(keys.routing)).toBeNull()
  })
})
