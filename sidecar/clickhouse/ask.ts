// The sidecar's own questions to ClickHouse, answered as rows. What goes wrong is one of our errors.

import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client'

import { messageOf, SluiceError } from '@sluice/core/errors'

const limits = { max_execution_time: 30, readonly: '1' as const }

/** @throws SluiceError SLUICE_CLICKHOUSE_AWAY; SLUICE_INTERNAL where ClickHouse refuses our own SQL */
export const ask = async <Row>(
  client: ClickHouseClient,
  sql: string,
  params: Record<string, unknown>,
  signal?: AbortSignal,
): Promise<Row[]> => {
  try {
    const answer = await client.query({
      query: sql,
      query_params: params,
      format: 'JSONEachRow',
      clickhouse_settings: limits,
      ...(signal && { abort_signal: signal }),
    })
    return await answer.json<Row>()
  } catch (cause) {
    const refused = cause instanceof ClickHouseError
    throw new SluiceError(refused ? 'SLUICE_INTERNAL' : 'SLUICE_CLICKHOUSE_AWAY', messageOf(cause), { cause })
  }
}
