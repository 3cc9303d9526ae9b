// Every query of the documentation runs, as the API would run it.

import { readFileSync } from 'node:fs'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { runReadOnly } from '@sluice/sidecar/sql/readonly'

import { runEngine, type Running } from '../engine/running'
import { outcome } from '../ingest/segments'

const doc = readFileSync(path.resolve(__dirname, '../../../docs/clickhouse.md'), 'utf8')
const queries = [...doc.matchAll(/\n\n([^\n]+)\n\n```sql\n([\s\S]+?)```/g)].map(
  ([, title, sql]) => [title ?? '', sql ?? ''] as const,
)

let running: Running
let client: ClickHouseClient
beforeAll(async () => {
  running = await runEngine()
  client = await openClickHouse({ engine: running.engine })
  const values = [
    outcome({ message_id: 'm', source: 's', provider: 'p', propensity: 0.5, recipient: 'r@example.com' }),
    ...[1, 2].map(() =>
      outcome({
        message_id: 'm',
        source: 's',
        provider: 'p',
        kind: 'bounced',
        blame: 'recipient',
        recipient: 'r@example.com',
      }),
    ),
    outcome({ source: 's', provider: 'p', kind: 'deferred', blame: 'ip', class: 'ip_blocked' }),
  ]
  await client.insert({ table: 'outcomes', values, format: 'JSONEachRow' })
})
afterAll(async () => {
  await client.close()
  await running.end()
})

describe('the queries of docs/clickhouse.md', () => {
  it('are several', () => {
    expect(queries.length).toBeGreaterThanOrEqual(8)
  })
  it.each(queries)('%s', async (_, sql) => {
    const values = { message_id: 'm', provider: 'p', source: 's' }
    const used = Object.entries(values).filter(([name]) => sql.includes(`{${name}:`))
    const params: Record<string, string> = Object.fromEntries(used)
    const answer = await runReadOnly(client, sql, { params })
    expect((await answer.json<unknown[]>()).data.length).toBeGreaterThan(0)
  })
})
