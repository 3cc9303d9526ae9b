// The count of a day's allowance while Redis is away: a worker takes its share of what was left, and what it took is in
// Redis when that is back, so that the day never sends more than it may.

import { redisKeys } from '@sluice/core/redis/keys'
import { minute } from '@sluice/core/shaping/rate'
import { startRedis } from '@sluice/run/redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import { SharedAdmission, type Order } from '../../../plugins/egress/lane/admission'
import type { WarmupRule } from '../../../plugins/egress/lane/ruling'
import { RedisLink } from '../../../plugins/egress/redis/link'
import { SharedCount } from '../../../plugins/egress/warmup/shared-count'

const keys = redisKeys('away')
const quiet = { notice: () => undefined, error: () => undefined }
const rule: WarmupRule = { day: 20_000, limit: 10, pace: { interval: 1, tolerance: 1000 }, counter: '*' }

const setUp = async () => {
  const server = await startRedis()
  const link = new RedisLink({ url: server.url, patienceMs: 500 }, quiet)
  const client = new Redis(server.url)
  onTestFinished(async () => {
    client.disconnect()
    link.close()
    await server.stop()
  })
  link.open()
  await vi.waitFor(() => expect(link.present).toBe(true), { timeout: 10_000, interval: 5 })
  const counted = async (counter: string) => Number(await client.get(keys.warmed('new', counter, rule.day)))
  const leave = async (ask: () => Promise<unknown>) => {
    server.pause()
    await ask()
    expect(link.present).toBe(false)
  }
  const back = async () => {
    server.resume()
    await vi.waitFor(() => expect(link.present).toBe(true), { timeout: 10_000, interval: 5 })
  }
  return { server, link, client, counted, leave, back }
}

test('of a count that several lanes share', async () => {
  const { link, counted, leave, back } = await setUp()
  let now = Date.now()
  let heard = 0
  const shared = new SharedCount({ link, keys, workers: () => 2, usedBefore: () => heard, now: () => now })
  const take = async (wanted: number) => (await shared.take('new', rule, wanted)).taken
  expect(await take(4)).toBe(4)
  shared.giveBack('new', rule, 1)
  await vi.waitFor(async () => expect(await counted('*')).toBe(3), { timeout: 10_000 })
  heard = 3

  await leave(() => take(1))
  let alone = 0
  for (let at = 0; at < 10; at++) {
    now += minute
    alone += await take(1)
  }
  // Half of the seven that were left, rounded down.
  expect(alone).toBe(3)
  await back()
  // The question that was not answered in time may be counted; it was not sent.
  await vi.waitFor(async () => expect(await counted('*')).toBeGreaterThanOrEqual(6), { timeout: 10_000 })
  const used = await counted('*')
  expect(used).toBeLessThanOrEqual(7)
  expect(await take(10)).toBe(10 - used)
  expect(await take(1)).toBe(0)
})

test('of a lane', async () => {
  const { link, counted, leave, back } = await setUp()
  let now = Date.now()
  const admission = new SharedAdmission({
    link,
    keys,
    log: quiet,
    worker: 'w',
    workers: () => 2,
    heldIn: () => [],
    heldAt: () => [],
    now: () => now,
  })
  link.onReturn(() => admission.rejoin())
  const order: Order = {
    lane: { source: 'new', provider: 'google', key: 'new|google' },
    rules: (workers) => ({
      lane_cap: 10,
      total_cap: undefined,
      paces: [],
      warmup: { day: rule.day, limit: Math.floor(rule.limit / workers) },
    }),
    ids: [],
    messages: 1,
    accepted: 0,
    tell: false,
  }
  expect((await admission.admit(order)).used).toBe(1)
  let alone = 0
  const once = async (): Promise<void> => {
    now += minute
    alone += (await admission.admit(order)).messages
  }
  await leave(once)
  // It waits a moment for Redis to come back before it goes alone.
  await vi.waitFor(
    async () => {
      await once()
      expect(alone).toBe(5)
    },
    { timeout: 20_000, interval: 50 },
  )
  await once()
  expect(alone).toBe(5)
  await back()
  await vi.waitFor(async () => expect(await counted('google')).toBeGreaterThanOrEqual(6), { timeout: 10_000 })
})
