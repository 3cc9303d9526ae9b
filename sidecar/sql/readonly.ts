// Runs SQL that a user wrote, and nothing but reads: looked at as text, as a syntax tree by ClickHouse's own parser,
// then run with readonly=1 and limits it cannot change. The same against the embedded engine (which checks again by
// itself) and a server. Refused, failed and over a limit are three different errors.

import { text } from 'node:stream/consumers'

import { ClickHouseError, type ClickHouseClient, type DataFormat, type ResultSet } from '@clickhouse/client'
import { messageOf, SluiceError } from '@sluice/core/errors'

import { limitCodes, limitSettings, usualLimits, type SqlLimits } from './limits'
import { examine } from './permit'
import { screen } from './screen'
import { readTree } from './tree'

export interface ReadOnlyOptions<Format extends DataFormat = 'JSONCompact'> {
  /** Query parameters, for `{name:Type}` in the statement. */
  readonly params?: Record<string, unknown>
  readonly limits?: Partial<SqlLimits>
  /** Of the answer; the statement must not have a FORMAT clause. */
  readonly format?: Format
  /** Database of names without one; tables of another are refused. */
  readonly database?: string
  /** Abort to kill the query. */
  readonly signal?: AbortSignal
}

/**
 * The answer to one read-only statement. The caller reads it whole or as a stream, or closes it.
 * @throws SluiceError SLUICE_SQL_REFUSED, SLUICE_SQL_LIMIT, SLUICE_SQL_FAILED, SLUICE_CLICKHOUSE_AWAY
 */
export const runReadOnly = async <Format extends DataFormat = 'JSONCompact'>(
  client: ClickHouseClient,
  sql: string,
  options: ReadOnlyOptions<Format> = {},
): Promise<ResultSet<Format>> => {
  const statement = screen(sql)
  const limits = { ...usualLimits, ...options.limits }
  const asked = {
    ...(options.params && { query_params: options.params }),
    ...(options.signal && { abort_signal: options.signal }),
  }
  try {
    const explained = await client.exec({
      ...asked,
      query: `EXPLAIN AST ${statement}`,
      clickhouse_settings: { readonly: '1', max_execution_time: limits.timeMs / 1000 },
    })
    const complaint = examine(readTree(await text(explained.stream)), options.database)
    if (complaint !== undefined) throw new SluiceError('SLUICE_SQL_REFUSED', `${complaint} is not allowed`)
    const format = (options.format ?? 'JSONCompact') as Format
    const settings = { clickhouse_settings: limitSettings(limits) }
    return await client.query<Format>({ ...asked, ...settings, query: statement, format })
  } catch (error) {
    throw explain(error)
  }
}

/** 164 is ClickHouse's (and the engine's) own refusal in readonly mode. */
const refusedCodes = new Set(['164', '497'])

/** What a failure of a user's statement is called; also for failures that show only while the answer is read. */
export const explain = (error: unknown): SluiceError => {
  if (error instanceof SluiceError) return error
  if (!(error instanceof ClickHouseError)) {
    return new SluiceError('SLUICE_CLICKHOUSE_AWAY', messageOf(error), { cause: error })
  }
  const code = limitCodes.has(error.code)
    ? 'SLUICE_SQL_LIMIT'
    : refusedCodes.has(error.code)
      ? 'SLUICE_SQL_REFUSED'
      : 'SLUICE_SQL_FAILED'
  return new SluiceError(code, `${error.message.trim()} (${error.type ?? error.code})`, { cause: error })
}
