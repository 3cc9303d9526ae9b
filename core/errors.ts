// Every error Sluice raises on purpose, in one table: a stable code, what it means, and whether trying again can help.
// A remote server's refusal is a value (a verdict), never an error.

export const errorCodes = {
  SLUICE_CONFIG_SYNTAX: { retry: false, says: 'a configuration file is not valid YAML' },
  SLUICE_CONFIG_INVALID: { retry: false, says: 'a configuration value is missing, unknown or out of range' },
  SLUICE_CONFIG_UNREADABLE: { retry: true, says: 'a configuration file cannot be read' },
  SLUICE_SECRET_MISSING: { retry: false, says: 'a secret named in the configuration is not set' },
  SLUICE_REDIS_AWAY: { retry: true, says: 'Redis does not answer' },
  SLUICE_REDIS_CONTENT: { retry: false, says: 'a document in Redis does not have the expected shape' },
  SLUICE_ROUTING_CONFLICT: { retry: true, says: 'another writer published a newer routing table' },
  SLUICE_ACTION_OVER: { retry: false, says: 'the action has been undone already, or has changed nothing' },
  SLUICE_SPOOL_FULL: { retry: true, says: 'the spool has reached its size limit' },
  SLUICE_SPOOL_UNWRITABLE: { retry: true, says: 'the spool cannot be written' },
  SLUICE_SPOOL_SEGMENT: { retry: false, says: 'a spool segment cannot be read or ingested' },
  SLUICE_CLICKHOUSE_AWAY: { retry: true, says: 'ClickHouse does not answer' },
  SLUICE_ENGINE_MISSING: { retry: false, says: 'the embedded ClickHouse engine is not installed on this platform' },
  SLUICE_ENGINE_LOCKED: { retry: false, says: 'another process has the ClickHouse data folder open' },
  SLUICE_SCHEMA_NEWER: { retry: false, says: 'the database was migrated by a newer version' },
  SLUICE_SCHEMA_CHANGED: { retry: false, says: 'an applied migration differs from the file of that number' },
  SLUICE_REPORT_LIMIT: { retry: false, says: 'a received report exceeds a limit of size, depth, parts or expansion' },
  SLUICE_REPORT_CONTENT: { retry: false, says: 'a received report is not what its type says' },
  SLUICE_HTTP_BODY: { retry: false, says: 'the request body is not valid' },
  SLUICE_HTTP_QUERY: { retry: false, says: 'a query parameter is not valid' },
  SLUICE_HTTP_UNAUTHORIZED: { retry: false, says: 'the bearer token is missing or wrong' },
  SLUICE_HTTP_FORBIDDEN: { retry: false, says: 'the bearer token lacks the scope for this' },
  SLUICE_HTTP_NOT_FOUND: { retry: false, says: 'there is no such thing' },
  SLUICE_HTTP_TOO_LARGE: { retry: false, says: 'the request body is too large' },
  SLUICE_HTTP_METHOD: { retry: false, says: 'this method is not for that path' },
  SLUICE_HTTP_BUSY: { retry: true, says: 'too many requests of this kind at a time' },
  SLUICE_HTTP_LISTEN: { retry: false, says: 'the HTTP address cannot be listened on' },
  SLUICE_SIDECAR_AWAY: { retry: true, says: 'the sidecar does not answer' },
  SLUICE_TOKEN_FILE: { retry: false, says: 'the token file cannot be read or is not valid' },
  SLUICE_JOURNAL: { retry: true, says: 'a change cannot be recorded on disk, so it was not made' },
  SLUICE_SQL_REFUSED: {
    retry: false,
    says: 'the query is not a single read-only statement on allowed tables and functions',
  },
  SLUICE_SQL_FAILED: { retry: false, says: 'ClickHouse refused the query' },
  SLUICE_SQL_LIMIT: { retry: false, says: 'the query exceeded a limit' },
  SLUICE_HOST_UNKNOWN: { retry: false, says: 'this Haraka is not the one that a guard was written for' },
  SLUICE_INTERNAL: { retry: true, says: 'an unexpected fault; the log has the details' },
} as const

export type ErrorCode = keyof typeof errorCodes

export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly retry: boolean

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SluiceError'
    this.code = code
    this.retry = errorCodes[code].retry
  }
}

/** The message of anything thrown. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
