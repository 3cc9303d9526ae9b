// Retention can be changed after a table was made: the TTL of each table is brought to what is configured. Rows go
// when their whole part is past it, by background merges; nothing is rewritten for the change itself.

import type { ClickHouseClient } from '@clickhouse/client'

import { identifier } from '../sql/tokens'
import { usualRetention, type SchemaOptions } from './migrate'

const clocks = [
  { kept: 'outcomes', table: 'outcomes', clock: 'toDateTime(at)' },
  { kept: 'outcomes', table: 'evidence', clock: 'ingested_at' },
  { kept: 'rollup', table: 'outcomes_1h', clock: 'hour' },
  { kept: 'rollup', table: 'dmarc_reports', clock: 'begin' },
  { kept: 'rollup', table: 'tls_reports', clock: 'begin' },
  { kept: 'segments', table: 'segments', clock: 'toDateTime(ingested_at)' },
] as const

/** @returns names of the tables that were changed */
export const applyRetention = async (client: ClickHouseClient, options: SchemaOptions): Promise<string[]> => {
  const days = { ...usualRetention, ...options.retention }
  const answer = await client.query({
    query: 'SELECT name, engine_full FROM system.tables WHERE database = {database:String}',
    query_params: { database: options.database },
    format: 'JSONEachRow',
  })
  const tables = new Map(
    (await answer.json<{ name: string; engine_full: string }>()).map((row) => [row.name, row.engine_full]),
  )
  const changed: string[] = []
  for (const { kept, table, clock } of clocks) {
    const wanted = days[kept]
    const present = /toIntervalDay\((\d+)\)/.exec(tables.get(table) ?? '')?.[1]
    if (present === undefined || Number(present) === wanted) continue
    const cluster = options.cluster === undefined ? '' : ` ON CLUSTER ${identifier(options.cluster)}`
    await client.command({
      query: `ALTER TABLE ${identifier(options.database)}.${table}${cluster} MODIFY TTL ${clock} + INTERVAL ${Math.floor(wanted)} DAY`,
      clickhouse_settings: { materialize_ttl_after_modify: 0 },
    })
    changed.push(table)
  }
  return changed
}
