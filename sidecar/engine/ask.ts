// One request of ClickHouse's HTTP interface, read: the query, its parameters and settings, and how it wants to be
// answered. Whatever the embedded engine does not do is refused here with a typed error, never ignored, unless
// ignoring it is harmless.

import type { IncomingMessage } from 'node:http'

import { refuse } from './exception'
import { usualFormat } from './format'

export interface Ask {
  /** The `query` parameter; the body follows it. */
  readonly query: string
  readonly queryId: string | undefined
  readonly database: string | undefined
  readonly format: string
  readonly params: Map<string, string>
  readonly settings: Map<string, string>
  readonly readonly: 0 | 1 | 2
  /** Hold the whole answer back until the query has ended. */
  readonly whole: boolean
  /** The client accepts a compressed answer. */
  readonly encoding: Encoding | undefined
}

export type Encoding = 'gzip' | 'br'

/** Of the HTTP layer of a server; they change nothing here. */
const harmless = new Set([
  'user',
  'password',
  'quota_key',
  'stacktrace',
  'session_timeout',
  'session_check',
  'close_session',
  'add_http_cors_header',
  'buffer_size',
  'http_response_buffer_size',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_zlib_compression_level',
  'cancel_http_readonly_queries_on_client_close',
  'http_write_exception_in_output_format',
  // Inserts are on disk when they are answered, whatever is asked for.
  'async_insert',
  'wait_for_async_insert',
])

const unsupported: Readonly<Record<string, string>> = {
  session_id: 'sessions',
  role: 'roles',
  compress: "ClickHouse's own compression; use Accept-Encoding",
  decompress: "ClickHouse's own compression; use Content-Encoding",
  client_protocol_version: 'Native blocks of a later protocol revision',
}

const name = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** @param more parameters from a multipart body */
export const readAsk = (request: IncomingMessage, url: URL, more: readonly (readonly [string, string])[] = []): Ask => {
  const params = new Map<string, string>()
  const settings = new Map<string, string>()
  const own = new Map<string, string>()
  for (const [key, value] of [...url.searchParams, ...more]) {
    if (key.startsWith('param_')) params.set(named(key.slice('param_'.length)), value)
    else if (ownKeys.has(key)) own.set(key, value)
    else if (harmless.has(key)) continue
    else if (unsupported[key] !== undefined) {
      if (value !== '' && value !== '0') {
        throw refuse('NOT_IMPLEMENTED', `the embedded engine does not support ${unsupported[key]} (${key})`)
      }
    } else settings.set(named(key), value)
  }
  const header = (key: string): string | undefined => {
    const value = request.headers[key]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const readonly = asReadonly(own.get('readonly') ?? '0')
  return {
    query: own.get('query') ?? '',
    queryId: own.get('query_id') || header('x-clickhouse-query-id'),
    database: own.get('database') || header('x-clickhouse-database'),
    format: named(own.get('default_format') || header('x-clickhouse-format') || usualFormat),
    params,
    settings,
    readonly: readonly === 0 && request.method !== 'POST' ? 2 : readonly,
    whole: ['1', 'true'].includes(own.get('wait_end_of_query') ?? ''),
    encoding: ['1', 'true'].includes(own.get('enable_http_compression') ?? '')
      ? encodingOf(header('accept-encoding'))
      : undefined,
  }
}

const ownKeys = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'readonly',
  'wait_end_of_query',
  'enable_http_compression',
])

const named = (text: string): string => {
  if (!name.test(text)) throw refuse('BAD_ARGUMENTS', `"${text.slice(0, 128)}" is not a name`)
  return text
}

const asReadonly = (text: string): 0 | 1 | 2 => {
  if (text === '0' || text === '1' || text === '2') return Number(text) as 0 | 1 | 2
  throw refuse('BAD_ARGUMENTS', 'readonly is 0, 1 or 2')
}

const encodingOf = (accepted: string | undefined): Encoding | undefined => {
  const all = (accepted ?? '').split(',').map((each) => each.split(';', 1).join().trim())
  return (['gzip', 'br'] as const).find((encoding) => all.includes(encoding))
}
