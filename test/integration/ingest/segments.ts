// Segments as plugins/outcome writes them, for tests.

import { randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'

import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { segmentName } from '@sluice/core/spool/segment'

/** A record like those of a delivery. */
export const outcome = (more: Partial<OutcomeRecord> = {}): OutcomeRecord => ({
  id: randomUUID(),
  at: Date.now(),
  kind: 'delivered',
  message_id: randomUUID(),
  attempt: 1,
  tenant: 'acme',
  stream: 'news',
  pool: 'main',
  source: 's1',
  provider: 'gmail',
  code: 250,
  reply: '250 2.0.0 OK é\n250 done',
  class: 'delivered',
  blame: 'none',
  total_ms: 42,
  ...more,
})

let sequence = 0

export const sealedName = (number = (sequence += 1)): string =>
  segmentName({ host: 'elsewhere', worker: '1', started: 1_700_000_000_000, sequence: number, sealed: true })

/** Seals a segment of these lines, as a whole. @returns its name */
export const seal = async (
  folder: string,
  lines: readonly (OutcomeRecord | string)[],
  name = sealedName(),
): Promise<string> => {
  await mkdir(folder, { recursive: true })
  const draft = path.join(folder, `${name}.draft`)
  const texts = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
  await writeFile(draft, texts.join(''))
  await rename(draft, path.join(folder, name))
  return name
}

export interface Counts {
  readonly rows: number
  readonly ids: number
  readonly rollup: number
  readonly segments: number
}

/** What ClickHouse has: rows, different ids, rows by the rollup, segments recorded. */
export const counts = async (client: ClickHouseClient): Promise<Counts> => {
  const query = `SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(id)) AS ids,
    toUInt32((SELECT sum(outcomes) FROM outcomes_1h)) AS rollup,
    toUInt32((SELECT count() FROM segments FINAL)) AS segments FROM outcomes`
  const [row] = await (await client.query({ query, format: 'JSONEachRow' })).json<Counts>()
  if (!row) throw new Error('no answer')
  return row
}
