// What a failed insert means: the lines are at fault, or ClickHouse cannot just now. In doubt it is the latter, which
// loses nothing: the segment waits and the status says why.

import { ClickHouseError } from '@clickhouse/client'

/** Names of ClickHouse errors that only the content of a file can cause. */
const contentFaults =
  /^(?:CANNOT_PARSE_\w+|CANNOT_READ_ALL_DATA|CANNOT_READ_ARRAY_FROM_TEXT|CANNOT_READ_MAP_FROM_TEXT|CANNOT_CONVERT_TYPE|CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN|INCORRECT_DATA|TYPE_MISMATCH|ARGUMENT_OUT_OF_BOUND|VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE|DECIMAL_OVERFLOW|UNEXPECTED_END_OF_FILE|ATTEMPT_TO_READ_AFTER_EOF|UNKNOWN_ELEMENT_OF_ENUM|TOO_LARGE_STRING_SIZE|TOO_DEEP_RECURSION|VIOLATED_CONSTRAINT)$/

export const isContentFault = (error: unknown): error is ClickHouseError =>
  error instanceof ClickHouseError && contentFaults.test(error.type ?? '')

/** A file of nothing but blanks. */
export const isEmptyFile = (error: unknown): boolean =>
  error instanceof ClickHouseError && error.type === 'NO_DATA_TO_INSERT'

/** The spool's own trouble: a file that is not there any more, a full disk. Errors of sockets have no path. */
export const isFileFault = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && 'path' in error && typeof error.path === 'string'
