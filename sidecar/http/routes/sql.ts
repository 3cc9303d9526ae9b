// Read-only SQL over everything that is known, within limits of time, rows and memory.

import { Readable } from 'node:stream'

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'

import type { SidecarConfig } from '@sluice/core/config/sidecar'

import { explain, runReadOnly } from '../../sql/readonly'
import { Gate } from '../gate'
import { Raw, route, type Route } from '../route'
import type { Services } from '../services'

const body = z.strictObject({
  sql: z.string().min(1).max(65_536).meta({ description: 'one SELECT, without a FORMAT clause' }),
  params: z
    .record(
      z.string().regex(/^[A-Za-z_]\w{0,63}$/),
      z.union([z.string().max(65_536), z.number(), z.boolean(), z.null()]),
    )
    .optional()
    .meta({ description: 'values for {name:Type} in the statement' }),
  format: z.enum(['json', 'jsonl', 'csv']).default('json'),
})

const answer = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.array(z.unknown())),
  row_count: z.number(),
})

const streamed = {
  csv: { format: 'CSVWithNames', type: 'text/csv; charset=utf-8' },
  jsonl: { format: 'JSONEachRow', type: 'application/x-ndjson' },
} as const

type SqlConfig = SidecarConfig['sql']

const limitsOf = (sql: SqlConfig) => ({
  timeMs: sql.max_seconds * 1000,
  resultRows: sql.max_rows,
  resultBytes: sql.max_result_mb,
  readRows: sql.max_read_rows,
  memoryBytes: sql.max_memory_mb,
})

type Body = z.output<typeof body>

const run = async (
  client: ClickHouseClient,
  { sql, params, format }: Body,
  config: Configured,
  signal: AbortSignal,
) => {
  const options = { limits: limitsOf(config.sql), database: config.database, signal, ...(params && { params }) }
  try {
    if (format === 'json') {
      const result = await runReadOnly(client, sql, { ...options, format: 'JSONCompact' })
      const { meta, data, rows } = await result.json<unknown[]>()
      return { columns: meta ?? [], rows: data, row_count: rows ?? data.length }
    }
    const result = await runReadOnly(client, sql, { ...options, format: streamed[format].format })
    // Whole, and bounded by the limit of result bytes: a failure midway must not look like a short answer.
    return new Raw(streamed[format].type, Readable.from([await result.text()]))
  } catch (error) {
    throw explain(error)
  }
}

interface Configured {
  readonly sql: SqlConfig
  readonly database: string
}

export const sqlRoutes = ({ configuration, database }: Services): Route[] => {
  const gate = new Gate(() => configuration.current.sidecar.sql)
  return [
    route({
      method: 'post',
      path: '/v1/sql',
      scope: 'read',
      name: 'runSql',
      says: 'Runs one read-only SQL statement within limits',
      body,
      answer,
      types: ['text/csv', 'application/x-ndjson'],
      handle: (call) =>
        gate.pass(call.token?.name ?? '', () => {
          const { sql, clickhouse } = configuration.current.sidecar
          return run(database.demand(), call.body, { sql, database: clickhouse.database }, call.signal)
        }),
    }),
  ]
}
