// Outcome rows for tests, straight into ClickHouse.

import { randomUUID } from 'node:crypto'

import type { ClickHouseClient } from '@clickhouse/client'

import type { OutcomeRecord } from '@sluice/core/outcome/record'

export type Row = Partial<OutcomeRecord>

/** Every field that is not given is the ordinary one of a delivery. */
export const outcome = (parts: Row): OutcomeRecord => ({
  id: randomUUID(),
  at: Date.now(),
  kind: 'delivered',
  message_id: randomUUID(),
  pool: 'main',
  source: 'a',
  provider: 'google',
  stream: 'bulk',
  recipient: 'anna@example.com',
  class: 'delivered',
  blame: 'none',
  attempt: 1,
  propensity: 0.75,
  ...parts,
})

export const blockedBy = (parts: Row = {}): OutcomeRecord =>
  outcome({
    kind: 'bounced',
    class: 'ip_blocked',
    blame: 'ip',
    class_rule: 'test.block',
    code: 550,
    reply: '550 5.7.1 blocked',
    ...parts,
  })

export const insertOutcomes = (client: ClickHouseClient, rows: readonly OutcomeRecord[]): Promise<unknown> =>
  client.insert({
    table: 'outcomes',
    values: rows,
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: randomUUID() },
  })
