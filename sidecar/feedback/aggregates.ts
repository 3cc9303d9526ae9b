// Rows of DMARC and TLS reports into their tables. A report that is sent again replaces itself.

import type { ClickHouseClient } from '@clickhouse/client'

import { SluiceError } from '@sluice/core/errors'

import type { AggregateReport } from '../report/aggregate'

const dayS = 86_400
/** Reports about a time further away are wrong or forged, and would litter the partitions. Days. */
const reach = { back: 400, ahead: 2 }
const together = 10_000

/**
 * @param receivedAt ms since 1970
 * @throws SluiceError SLUICE_REPORT_CONTENT where the report is about an impossible time
 */
export const keepAggregate = async (
  client: ClickHouseClient,
  { kind, rows }: AggregateReport,
  receivedAt: number,
): Promise<void> => {
  const now = receivedAt / 1000
  for (const { begin, end } of rows.slice(0, 1)) {
    if (begin < now - reach.back * dayS || end > now + reach.ahead * dayS || end < begin) {
      const said = [begin, end].map((second) => new Date(second * 1000).toISOString()).join(' to ')
      throw new SluiceError('SLUICE_REPORT_CONTENT', `a report about ${said}`)
    }
  }
  const values = rows.map((row, record) => ({ ...row, record, received_at: receivedAt }))
  const table = kind === 'dmarc' ? 'dmarc_reports' : 'tls_reports'
  for (let from = 0; from < values.length; from += together) {
    await client.insert({ table, values: values.slice(from, from + together), format: 'JSONEachRow' })
  }
}
