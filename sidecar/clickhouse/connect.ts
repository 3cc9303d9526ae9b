// The one way to ClickHouse: @clickhouse/client over HTTP, to the engine or to a server. The settings are pinned so
// that both behave alike, whatever their defaults.

import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client'

import type { Engine } from '../engine/process'

/** Where ClickHouse is: an embedded engine, or the URL of a server (user, password and database may be in it). */
export type Where =
  | { readonly engine: Pick<Engine, 'url' | 'username' | 'password'>; readonly url?: undefined }
  | { readonly url: string; readonly engine?: undefined }

export const usualDatabase = 'sluice'

/** The database a URL names in its path, or the usual one. */
export const databaseOf = (where: Where): string => {
  const named = where.url === undefined ? '' : decodeURIComponent(new URL(where.url).pathname.slice(1))
  return named || usualDatabase
}

/** The client would prefer the database of the URL to the one it is told. */
const withoutDatabase = (url: string): string => {
  const bare = new URL(url)
  bare.pathname = ''
  return bare.href
}

/** A client for the database, which must exist before it is used. Close it. */
export const connect = (where: Where, database = databaseOf(where)): ClickHouseClient => {
  const target = where.engine ?? { url: withoutDatabase(where.url) }
  return createClient({
    ...target,
    database,
    application: 'sluice',
    request_timeout: 120_000,
    max_open_connections: 16,
    // What fails is reported by whoever asked; the client's own log would say it twice.
    log: { level: ClickHouseLogLevel.OFF },
    clickhouse_settings: {
      async_insert: 0,
      output_format_json_quote_64bit_integers: 1,
      date_time_input_format: 'best_effort',
    },
  })
}
