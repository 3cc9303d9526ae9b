// What outcomes say about recipients, as far as it can suppress them: what is new, and what came before. Read from
// ClickHouse, so that every suppression has its evidence there before it exists.

import type { ClickHouseClient } from '@clickhouse/client'

import type { BounceClass } from '@sluice/core/bounce/verdict'
import type { Identification, OutcomeKind } from '@sluice/core/outcome/record'
import { verifiedBy } from '@sluice/core/suppression/policy'
import type { SoftFailure } from '@sluice/core/suppression/soft-history'

import { ask } from '../clickhouse/ask'
import { query } from '../clickhouse/shipped'

export interface Evidence {
  /** When it came into ClickHouse, seconds since 1970 by its clock. */
  readonly second: number
  readonly id: string
  readonly recipient: string
  /** ms since 1970 */
  readonly at: number
  readonly kind: OutcomeKind
  readonly class: BounceClass | ''
  readonly identified_by: Identification | ''
  readonly tenant: string
  readonly stream: string
  readonly message_id: string
}

export interface History {
  readonly failures: readonly SoftFailure[]
  /** ms since 1970; 0 = none known */
  readonly deliveredAt: number
}

const freshSql = query('evidence_fresh')
const historySql = query('evidence_history')
const deliveriesSql = query('deliveries_last')

/** A page of what came in after (`second`, `id`), oldest first. */
export const freshEvidence = async (
  client: ClickHouseClient,
  after: { readonly second: number; readonly id: string },
  limit: number,
): Promise<Evidence[]> => {
  const rows = await ask<Omit<Evidence, 'at'> & { at: string }>(client, freshSql, { ...after, limit })
  return rows.map((row) => ({ ...row, at: Number(row.at) }))
}

export const historyKey = (recipient: string, of: string): string => `${of} ${recipient}`

/** Histories by `historyKey`; recipients without failures have none. */
export const historiesOf = async (
  client: ClickHouseClient,
  recipients: readonly string[],
  classes: readonly string[],
  since: number,
): Promise<Map<string, History>> => {
  interface Row {
    recipient: string
    class: string
    spellings: string[]
    failures: [at: string, message_id: string][]
  }
  const rows = await ask<Row>(client, historySql, { recipients, classes, verified: ['', ...verifiedBy] })
  const spelled = [...new Set(rows.flatMap(({ recipient, spellings }) => [recipient, ...spellings]))]
  const last = new Map<string, number>()
  if (spelled.length > 0) {
    const params = { recipients: spelled, since: Math.floor(since) }
    for (const row of await ask<{ recipient: string; at: string }>(client, deliveriesSql, params)) {
      const name = row.recipient.toLowerCase()
      last.set(name, Math.max(last.get(name) ?? 0, Number(row.at)))
    }
  }
  return new Map(
    rows.map((row) => [
      historyKey(row.recipient, row.class),
      {
        failures: row.failures.map(([at, message_id]) => ({ at: Number(at), message_id })),
        deliveredAt: last.get(row.recipient) ?? 0,
      },
    ]),
  )
}
