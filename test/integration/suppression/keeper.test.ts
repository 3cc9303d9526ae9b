// From outcomes in ClickHouse to suppressions in Redis, exactly once, whatever breaks in between.

import { randomUUID } from 'node:crypto'

import type { ClickHouseClient } from '@clickhouse/client'
import { readFeedback, type FeedbackConfig } from '@sluice/core/config/feedback'
import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { redisKeys } from '@sluice/core/redis/keys'
import type { Suppression } from '@sluice/core/suppression/entry'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { silent } from '@sluice/sidecar/log'
import { Keeper } from '@sluice/sidecar/suppression/keeper'
import { page } from '@sluice/sidecar/suppression/ledger'
import { SuppressionStore } from '@sluice/sidecar/suppression/store'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { runEngine, type Running } from '../engine/running'
import { insertOutcomes, outcome } from '../score/outcomes'

let running: Running
let client: ClickHouseClient
let redisServer: RedisServer
let redis: Redis
let store: SuppressionStore

const day = 86_400_000
const config = readFeedback('feedback.yaml', 'keys: [{ id: 1, secret: { env: KEY } }]') as FeedbackConfig

beforeAll(async () => {
  running = await runEngine()
  client = await openClickHouse({ engine: running.engine })
  redisServer = await startRedis()
  redis = new Redis(redisServer.url)
  store = new SuppressionStore(redis, redisKeys())
})
afterAll(async () => {
  redis.disconnect()
  await redisServer.stop()
  await client.close()
  await running.end()
})
beforeEach(async () => {
  await redis.flushall()
  for (const table of ['outcomes', 'evidence', 'suppressions'])
    await client.command({ query: `TRUNCATE TABLE ${table}` })
})

const keeper = (options: Partial<ConstructorParameters<typeof Keeper>[0]> = {}): Keeper =>
  new Keeper({ client: () => client, store, leading: () => true, config: () => config, log: silent, ...options })

const round = async (options?: Parameters<typeof keeper>[0]): Promise<void> => {
  const one = keeper(options)
  await one.round()
  expect(one.fault).toBe('')
}
const bounced = (parts: Partial<OutcomeRecord> = {}): OutcomeRecord =>
  outcome({ kind: 'bounced', class: 'invalid_recipient', blame: 'recipient', code: 550, ...parts })
const full = (daysAgo: number, parts: Partial<OutcomeRecord> = {}): OutcomeRecord =>
  outcome({ kind: 'deferred', class: 'mailbox_full', blame: 'recipient', at: Date.now() - daysAgo * day, ...parts })
const listed = async (address: string): Promise<Suppression | undefined> => (await store.of(address))[0]

describe('an outcome', () => {
  it('suppresses at once where the address is gone, with itself as evidence, in Redis and in ClickHouse', async () => {
    const one = bounced({ recipient: 'Gone@Example.com', at: Date.UTC(2026, 0, 2, 3, 4) })
    await insertOutcomes(client, [one, outcome({ recipient: 'here@example.com' })])
    await round()
    const entry = {
      address: 'gone@example.com',
      scope: { kind: 'global' },
      reason: 'hard_bounce',
      evidence: one.id,
      since: Date.UTC(2026, 0, 2, 3, 4),
    }
    expect(await store.of('GONE@example.com')).toEqual([entry])
    expect(await page(client, { limit: 10 })).toEqual([{ ...entry, author: 'sluice', note: '' }])
    expect(await store.of('here@example.com')).toEqual([])
  })

  it.each([
    ['a complaint', { kind: 'complained', identified_by: 'header_token' }, 'complaint'],
    ['an unsubscribe', { kind: 'unsubscribed', identified_by: 'unsubscribe_link' }, 'unsubscribe'],
  ] as const)('%s suppresses for the stream of its tenant', async (_what, parts, reason) => {
    await insertOutcomes(client, [outcome({ ...parts, recipient: 'a@b.test', tenant: 'acme', stream: 'news' })])
    await round()
    expect(await listed('a@b.test')).toMatchObject({ reason, scope: { kind: 'stream', name: 'acme/news' } })
  })

  it.each([
    ['names only an address', 'address'],
    ['knows our Message-ID', 'message_id'],
  ] as const)('suppresses nobody where its report %s', async (_what, identified_by) => {
    await insertOutcomes(client, [
      bounced({ kind: 'oob_bounced', identified_by, recipient: 'a@b.test' }),
      outcome({ kind: 'complained', identified_by, recipient: 'a@b.test' }),
    ])
    await round()
    expect(await store.of('a@b.test')).toEqual([])
  })

  it('of a soft class suppresses after several messages over days, and not after a delivery in between', async () => {
    await insertOutcomes(client, [
      ...[20, 19, 18].map((ago) => full(ago, { recipient: 'Full@b.test', message_id: 'one' })),
      full(10, { recipient: 'full@b.test' }),
      full(1, { recipient: 'full@b.test' }),
      ...[20, 19, 1].map((ago) => full(ago, { recipient: 'same@b.test', message_id: 'one' })),
      ...[20, 10, 1].map((ago) => full(ago, { recipient: 'Works@b.test' })),
      outcome({ recipient: 'Works@b.test', at: Date.now() - 5 * day }),
    ])
    await round()
    expect(await listed('full@b.test')).toMatchObject({ reason: 'soft_bounces', scope: { kind: 'global' } })
    expect((await listed('full@b.test'))?.until).toBeGreaterThan(Date.now() + 80 * day)
    expect(await listed('same@b.test')).toBeUndefined()
    expect(await listed('works@b.test')).toBeUndefined()
  })

  it('does nothing where there is no feedback.yaml, and where another sidecar leads', async () => {
    await insertOutcomes(client, [bounced()])
    await round({ config: () => undefined })
    await round({ leading: () => false })
    expect(await store.of('anna@example.com')).toEqual([])
  })
})

describe('the list', () => {
  it('keeps what lasts longer, and of equals the first', async () => {
    const complaint = outcome({ kind: 'complained', identified_by: 'header_token', stream: '' })
    await insertOutcomes(client, [bounced({ id: complaint.id, at: Date.now() - day })])
    await round()
    await insertOutcomes(client, [bounced(), ...[30, 20, 1].map((ago) => full(ago, { recipient: 'anna@example.com' }))])
    await round()
    expect(await store.of('anna@example.com')).toMatchObject([{ reason: 'hard_bounce', evidence: complaint.id }])
  })

  it('is not touched by evidence from before an operator released the address, and is by later', async () => {
    const released = {
      address: 'anna@example.com',
      scope: { kind: 'global' },
      reason: 'released',
      evidence: '',
    } as const
    await store.put([{ ...released, since: Date.now() - day }], Date.now())
    await insertOutcomes(client, [bounced({ at: Date.now() - 2 * day })])
    await round()
    expect(await listed('anna@example.com')).toMatchObject({ reason: 'released' })
    await insertOutcomes(client, [bounced()])
    await round()
    expect(await listed('anna@example.com')).toMatchObject({ reason: 'hard_bounce' })
  })

  it('is filled again from ClickHouse when Redis has lost it', async () => {
    const one = keeper()
    await insertOutcomes(client, [bounced()])
    await one.round()
    const before = await store.of('anna@example.com')
    expect(before).toHaveLength(1)
    await redis.flushall()
    await client.command({ query: 'TRUNCATE TABLE evidence' })
    await one.round()
    expect(await store.of('anna@example.com')).toEqual(before)
  })

  it('loses what has lapsed', async () => {
    const lapsing = { address: 'a@b.test', scope: { kind: 'global' }, reason: 'operator', evidence: '' } as const
    const until = Math.floor(Date.now() / 60_000) * 60_000
    await store.put([{ ...lapsing, since: until - day, until }], until - day)
    await client.insert({
      table: 'suppressions',
      values: [{ address: 'a@b.test', scope: 'global', reason: 'operator', since: until - day, until }],
      format: 'JSONEachRow',
    })
    await store.advance(1)
    await round()
    expect(await store.of('a@b.test')).toEqual([])
  })
})

it('a keeper that is interrupted anywhere ends with the same list', async () => {
  const outcomes = Array.from({ length: 40 }, (_, n) => bounced({ recipient: `user${n}@b.test`, id: randomUUID() }))
  await insertOutcomes(client, outcomes)
  for (const step of ['put', 'advance'] as const) {
    const broken = new SuppressionStore(redis, redisKeys())
    const original = broken[step].bind(broken) as (...args: never[]) => Promise<never>
    broken[step] = async (...args: never[]) => {
      await original(...args)
      throw new Error('interrupted')
    }
    const one = keeper({ store: broken })
    await one.round()
    expect(one.fault).toBe('interrupted')
  }
  await round()
  await round()
  for (const { recipient = '', id } of outcomes) expect(await store.of(recipient)).toMatchObject([{ evidence: id }])
  expect(await page(client, { limit: 100 })).toHaveLength(40)
})

it('two keepers at once write each entry once', async () => {
  await insertOutcomes(
    client,
    Array.from({ length: 300 }, (_, n) => bounced({ recipient: `user${n}@b.test` })),
  )
  const both = [keeper(), keeper({ store: new SuppressionStore(redis, redisKeys()) })]
  await Promise.all(both.map((one) => one.round()))
  expect(both.map(({ fault }) => fault)).toEqual(['', ''])
  expect(await page(client, { limit: 1000 })).toHaveLength(300)
  expect(await store.of('user7@b.test')).toHaveLength(1)
})
