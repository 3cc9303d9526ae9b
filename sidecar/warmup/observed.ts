// What is known of the days of warm-ups: from ClickHouse what came of the mail, from Redis how many messages the
// allowance was taken by. Days are read from the earliest that is not closed.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Redis } from 'ioredis'

import type { RedisKeys } from '@sluice/core/redis/keys'
import { blockClasses, countedKinds, doubtfulClasses, sourceBlames } from '@sluice/core/score/tally'
import { day } from '@sluice/core/shaping/rate'
import type { Warmup } from '@sluice/core/warmup/document'
import type { LaneDay, Observed } from '@sluice/core/warmup/register'

import { ask } from '../clickhouse/ask'
import { query } from '../clickhouse/shipped'
import { redisFault } from '../redis/connection'

const daysSql = query('warmup_days')
const feedbackSql = query('warmup_feedback')

const lists = {
  kinds: [...countedKinds],
  blames: [...sourceBlames],
  doubtful: [...doubtfulClasses],
  block: [...blockClasses],
}
/** A provider that has reported no complaint for so many days is not known to report any. */
const feedbackDays = 180
/** Nothing older is read: what a warm-up missed for longer leads back to its beginning anyway. */
const longestDays = 400
const secondsOfDay = day / 1000

/** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
export const readDays = async (
  client: ClickHouseClient,
  warmups: readonly Warmup[],
  today: number,
): Promise<LaneDay[]> => {
  if (warmups.length === 0) return []
  const first = Math.max(today - longestDays, Math.min(today, ...warmups.map(({ state }) => state.closed + 1)))
  const sources = [...new Set(warmups.map(({ source }) => source))]
  const rows = await ask<Record<keyof LaneDay, string | number>>(client, daysSql, {
    ...lists,
    sources,
    since: first * secondsOfDay,
  })
  return rows.map((row) => ({
    source: String(row.source),
    provider: String(row.provider),
    day: Number(row.day),
    delivered: Number(row.delivered),
    throttled: Number(row.throttled),
    blocked: Number(row.blocked),
    complained: Number(row.complained),
    attempts: Number(row.attempts),
    last_blocked: Number(row.last_blocked) * 1000,
  }))
}

/** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
export const readFeedback = async (client: ClickHouseClient, today: number): Promise<ReadonlySet<string>> => {
  const params = { since: Math.max(0, today - feedbackDays) * secondsOfDay }
  const rows = await ask<{ provider: string }>(client, feedbackSql, params)
  return new Set(rows.map(({ provider }) => provider))
}

/**
 * The counts of the days that are to be closed, and of today.
 * @throws SluiceError SLUICE_REDIS_AWAY
 */
export const readCounts = async (
  redis: Redis,
  keys: RedisKeys,
  warmups: readonly Warmup[],
  today: number,
): Promise<Observed['used']> => {
  const wanted = warmups.flatMap(({ source, provider, state }) => {
    const first = Math.max(state.closed + 1, today - keptDays)
    return Array.from({ length: Math.max(0, today - first + 1) }, (_, index) =>
      keys.warmed(source, provider, first + index),
    )
  })
  const counts = new Map<string, number>()
  try {
    // One command for each: they lie in different slots of a cluster; ioredis sends them together.
    const found = await Promise.all(wanted.map((key) => redis.get(key)))
    found.forEach((count, index) => {
      if (count !== null && Number.isFinite(Number(count))) counts.set(wanted[index] ?? '', Number(count))
    })
  } catch (error) {
    throw redisFault(error, 'reading the counts of warm-ups')
  }
  return ({ source, provider }, of) => counts.get(keys.warmed(source, provider, of))
}

/** Days for which counts are looked for; they expire in Redis. */
const keptDays = 7
