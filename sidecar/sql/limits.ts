// How much a statement of a user may use.

export interface SqlLimits {
  /** Milliseconds of running. */
  readonly timeMs: number
  readonly resultRows: number
  readonly resultBytes: number
  /** Rows read from tables. */
  readonly readRows: number
  readonly memoryBytes: number
}

export const usualLimits: SqlLimits = {
  timeMs: 10_000,
  resultRows: 10_000,
  resultBytes: 16 * 1024 * 1024,
  readRows: 1_000_000_000,
  memoryBytes: 1024 * 1024 * 1024,
}

/** The same as ClickHouse's settings; with readonly=1 the statement cannot change them. */
export const limitSettings = (limits: SqlLimits) => ({
  readonly: '1' as const,
  max_execution_time: limits.timeMs / 1000,
  timeout_overflow_mode: 'throw' as const,
  timeout_before_checking_execution_speed: 0,
  max_result_rows: String(limits.resultRows),
  max_result_bytes: String(limits.resultBytes),
  result_overflow_mode: 'throw' as const,
  max_rows_to_read: String(limits.readRows),
  read_overflow_mode: 'throw' as const,
  max_memory_usage: String(limits.memoryBytes),
})

/** Numbers of the errors that say a limit was reached. */
export const limitCodes: ReadonlySet<string> = new Set(['158', '159', '160', '191', '241', '307', '396'])
