// What a report may cost, whatever it claims to be. Beyond a limit the reader stops with a coded error; the caller keeps
// the original.

import { SluiceError } from '@sluice/core/errors'

export interface ReportLimits {
  /** Bytes of the whole mail. */
  readonly bytes: number
  /** Multiparts inside multiparts. */
  readonly depth: number
  /** Leaves of the MIME tree. */
  readonly parts: number
  /** Bytes of one header block. */
  readonly header_bytes: number
  /** Bytes that a compressed attachment may expand to. */
  readonly expanded_bytes: number
  /** Files looked at in one archive. */
  readonly archive_entries: number
  /** Records of one aggregate report. */
  readonly records: number
}

export const defaultLimits: ReportLimits = {
  bytes: 30 * 1024 * 1024,
  depth: 12,
  parts: 500,
  header_bytes: 256 * 1024,
  expanded_bytes: 64 * 1024 * 1024,
  archive_entries: 20,
  records: 200_000,
}

export const overLimit = (what: string, limit: number): SluiceError =>
  new SluiceError('SLUICE_REPORT_LIMIT', `a report has more than ${limit} ${what}`)
