// Events of warm-ups as rows of ClickHouse, and warm-ups put back from them where Redis has lost the document.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

import type { ClickHouseClient } from '@clickhouse/client'

import { day } from '@sluice/core/shaping/rate'
import { warmupSchema, type Warmup } from '@sluice/core/warmup/document'
import type { Register, WarmupNote } from '@sluice/core/warmup/draft'
import type { Plans } from '@sluice/core/warmup/register'

import { ask } from '../clickhouse/ask'
import { query } from '../clickhouse/shipped'

const eventsSql = query('warmup_events')
const lastSql = query('warmups_last')

export interface EventRow {
  readonly id: string
  /** ms since 1970 */
  readonly at: number
  readonly source: string
  readonly provider: string
  readonly plan: string
  readonly kind: string
  /** YYYY-MM-DD */
  readonly day: string
  readonly stage_from: number
  readonly stage_to: number
  /** Messages a day; 0 = warm, no limit. */
  readonly allowance_from: number
  readonly allowance_to: number
  readonly reason: string
  /** Empty: decided by the rule. */
  readonly author: string
  /** Of the day that was closed, as all that follow. */
  readonly used: number
  readonly delivered: number
  readonly throttled: number
  readonly blocked: number
  readonly complained: number
}

const finite = (allowance: number): number => (Number.isFinite(allowance) ? allowance : 0)

/** What is written down of an event that happened at `at`, ms since 1970. */
export const rowOf = (
  { event, warmup, allowance, record }: WarmupNote,
  at: number,
  author: string,
): EventRow & Readonly<Record<string, unknown>> => ({
  id: randomUUID(),
  at,
  source: warmup.source,
  provider: warmup.provider,
  plan: warmup.state.plan,
  kind: event.kind,
  day: new Date(event.day * day).toISOString().slice(0, 10),
  stage_from: event.from,
  stage_to: event.to,
  allowance_from: finite(allowance.from),
  allowance_to: finite(allowance.to),
  reason: event.reason,
  author,
  used: record?.used ?? 0,
  delivered: record?.delivered ?? 0,
  throttled: record?.throttled ?? 0,
  blocked: record?.blocked ?? 0,
  complained: record?.complained ?? 0,
  warmup: JSON.stringify(warmup),
  host: hostname(),
})

export interface HistoryQuestion {
  readonly source: string
  /** Empty: of all providers. */
  readonly provider: string
  /** ms since 1970 */
  readonly since: number
  readonly limit: number
}

/** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
export const readEvents = async (
  client: ClickHouseClient,
  question: HistoryQuestion,
  signal?: AbortSignal,
): Promise<EventRow[]> => {
  const rows = await ask<Readonly<Record<string, unknown>>>(client, eventsSql, { ...question }, signal)
  return rows.map(eventOf)
}

/** A row as the journal or ClickHouse has it, where numbers of 64 bits come as text. */
export const eventOf = (row: Readonly<Record<string, unknown>>): EventRow => {
  const text = (key: keyof EventRow): string => (typeof row[key] === 'string' ? row[key] : '')
  const number = (key: keyof EventRow): number => Number(row[key] ?? 0)
  return {
    id: text('id'),
    at: number('at'),
    source: text('source'),
    provider: text('provider'),
    plan: text('plan'),
    kind: text('kind'),
    day: text('day'),
    stage_from: number('stage_from'),
    stage_to: number('stage_to'),
    allowance_from: number('allowance_from'),
    allowance_to: number('allowance_to'),
    reason: text('reason'),
    author: text('author'),
    used: number('used'),
    delivered: number('delivered'),
    throttled: number('throttled'),
    blocked: number('blocked'),
    complained: number('complained'),
  }
}

/**
 * The register as its last events left it. A warm-up whose plan is not there any more, or whose row is from a version
 * that wrote it differently, is left out.
 * @throws SluiceError SLUICE_CLICKHOUSE_AWAY
 */
export const readRegister = async (client: ClickHouseClient, plans: Plans): Promise<Register> => {
  const rows = await ask<{ warmup: string }>(client, lastSql, {})
  const warmups = rows.flatMap(({ warmup }) => readWarmup(warmup) ?? []).filter(({ state }) => state.plan in plans)
  const used = new Set(warmups.map(({ state }) => state.plan))
  return { plans: Object.fromEntries(Object.entries(plans).filter(([id]) => used.has(id))), warmups }
}

const readWarmup = (text: string): Warmup | undefined => {
  const read = warmupSchema.safeParse(JSON.parse(text))
  return read.success ? read.data : undefined
}
