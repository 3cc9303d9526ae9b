// The suppression list in ClickHouse: whole, with who listed whom and why, open to SQL. Redis is filled from it.

import type { ClickHouseClient } from '@clickhouse/client'

import type { ListedSuppression } from '@sluice/core/suppression/csv'
import { readScope, sayScope, suppressionReasons, type Suppression } from '@sluice/core/suppression/entry'

import { ask } from '../clickhouse/ask'
import { query } from '../clickhouse/shipped'

/** A row of the table; `until` 0 = for good. */
export interface LedgerRow extends Record<string, unknown> {
  readonly address: string
  readonly scope: string
  readonly reason: string
  readonly evidence: string
  readonly since: number
  readonly until: number
  readonly author: string
  readonly note: string
  readonly changed_at: number
}

const pageSql = query('suppressions_page')
const lapsedSql = query('suppressions_lapsed')
const ofSql = query('suppressions_of')

/** @param now ms since 1970 */
export const rowOf = (
  one: Suppression,
  by: { readonly author: string; readonly note: string },
  now: number,
): LedgerRow => ({
  address: one.address,
  scope: sayScope(one.scope),
  reason: one.reason,
  evidence: one.evidence,
  since: one.since,
  until: one.until ?? 0,
  author: by.author,
  note: by.note,
  changed_at: now,
})

export const record = async (client: ClickHouseClient, rows: readonly LedgerRow[]): Promise<void> => {
  if (rows.length > 0) await client.insert({ table: 'suppressions', values: [...rows], format: 'JSONEachRow' })
}

export interface PageOptions {
  /** Entries after this one. */
  readonly after?: Pick<Suppression, 'address' | 'scope'>
  /** Only what holds at this time, ms since 1970; absent = all. */
  readonly now?: number
  readonly reason?: string
  readonly limit: number
}

export const page = async (
  client: ClickHouseClient,
  options: PageOptions,
  signal?: AbortSignal,
): Promise<ListedSuppression[]> => {
  const { after, now = 0, reason = '', limit } = options
  const params = { address: after?.address ?? '', scope: after ? sayScope(after.scope) : '', now, reason, limit }
  type Row = Record<'address' | 'scope' | 'reason' | 'evidence' | 'since' | 'until' | 'author' | 'note', string>
  const rows = await ask<Row>(client, pageSql, params, signal)
  return rows.flatMap((row) => {
    const scope = readScope(row.scope)
    const reason = suppressionReasons.find((one) => one === row.reason)
    if (!scope || !reason) return []
    const until = Number(row.until)
    const { address, evidence, author, note } = row
    return [{ address, scope, reason, evidence, since: Number(row.since), ...(until > 0 && { until }), author, note }]
  })
}

/** All of it, page by page. */
export async function* pages(
  client: ClickHouseClient,
  options: Omit<PageOptions, 'after'>,
  signal?: AbortSignal,
): AsyncGenerator<ListedSuppression[]> {
  for (let found = await page(client, options, signal); found.length > 0;) {
    yield found
    const after = found.at(-1)
    if (!after || found.length < options.limit) return
    found = await page(client, { ...options, after }, signal)
  }
}

/** Entries that lapsed in (`after`, `upto`], ms since 1970. */
export const lapsedBetween = async (
  client: ClickHouseClient,
  after: number,
  upto: number,
): Promise<Pick<Suppression, 'address' | 'scope'>[]> => {
  const rows = await ask<{ address: string; scope: string }>(client, lapsedSql, { after, upto })
  return rows.flatMap(({ address, scope: text }) => {
    const scope = readScope(text)
    return scope ? [{ address, scope }] : []
  })
}

/** Author and note by scope text. */
export const authorsOf = async (
  client: ClickHouseClient,
  address: string,
  signal?: AbortSignal,
): Promise<Map<string, { author: string; note: string }>> => {
  const rows = await ask<{ scope: string; author: string; note: string }>(client, ofSql, { address }, signal)
  return new Map(rows.map(({ scope, author, note }) => [scope, { author, note }]))
}
