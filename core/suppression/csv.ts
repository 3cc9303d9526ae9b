// The suppression list as CSV (RFC 4180): what is exported can be imported again, and a plain list of addresses can be
// imported too. The first line names the columns where it names `address` (or `email`, `recipient`); else the first
// column is the address.
//
//   address,scope,reason,since,until,evidence,author,note       times in ISO 8601, `until` empty = for good

import { canonicalAddress, readScope, sayScope, suppressionReasons, type Suppression } from './entry'

export interface ListedSuppression extends Suppression {
  readonly author: string
  readonly note: string
}

const columns = ['address', 'scope', 'reason', 'since', 'until', 'evidence', 'author', 'note'] as const
type Column = (typeof columns)[number]
const addressColumns: ReadonlySet<string> = new Set(['address', 'email', 'recipient'])

export const csvHead = `${columns.join(',')}\r\n`

/** One line, its end included. */
export const csvLine = (one: ListedSuppression): string => {
  const iso = (ms: number | undefined): string => (ms === undefined ? '' : new Date(ms).toISOString())
  const values: Record<Column, string> = {
    ...one,
    scope: sayScope(one.scope),
    since: iso(one.since),
    until: iso(one.until),
  }
  return `${columns.map((name) => quoted(values[name])).join(',')}\r\n`
}

/** A spreadsheet would run what begins like a formula. */
const quoted = (value: string): string => {
  const safe = /^[=+@\t-]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export const longestLine = 4096

/** Cuts text that comes in pieces into records; a record is its fields. */
export class CsvRecords {
  private rest = ''

  /** Records that are complete now. @throws RangeError where one is longer than `longestLine` */
  push(text: string): string[][] {
    const records: string[][] = []
    let source = this.rest + text
    for (let end = endOfRecord(source); end >= 0; end = endOfRecord(source)) {
      records.push(fieldsOf(source.slice(0, end)))
      source = source.slice(end + 1)
    }
    if (source.length > longestLine) throw new RangeError(`a line is longer than ${longestLine} characters`)
    this.rest = source
    return records
  }

  /** The last record, where it has no line end. */
  end(): string[][] {
    const { rest } = this
    this.rest = ''
    return rest.trim() === '' ? [] : [fieldsOf(rest)]
  }
}

/** Where the first line ends outside quotes; -1 where it does not. */
const endOfRecord = (text: string): number => {
  let inside = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') inside = !inside
    else if (text[at] === '\n' && !inside) return at
  }
  return -1
}

const field = /(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g

const fieldsOf = (line: string): string[] =>
  [...line.replace(/\r$/, '').matchAll(field)].map(([, inQuotes, bare]) =>
    inQuotes === undefined ? (bare ?? '').trim() : inQuotes.replaceAll('""', '"'),
  )

/** The order of columns that a first line names; undefined where it is no such line. */
export const columnsOf = (record: readonly string[]): (Column | undefined)[] | undefined => {
  const names = record.map((name) => name.toLowerCase().replace(/^\ufeff/, ''))
  if (!names.some((name) => addressColumns.has(name))) return undefined
  return names.map((name) => (addressColumns.has(name) ? 'address' : columns.find((one) => one === name)))
}

export const plainColumns: readonly (Column | undefined)[] = ['address']

/** What holds for lines that do not say. */
export interface CsvDefaults {
  readonly scope: Suppression['scope']
  /** ms since 1970 */
  readonly now: number
  readonly author: string
  readonly note: string
}

/** @returns the entry, or what is wrong with the line */
export const entryOf = (
  record: readonly string[],
  order: readonly (Column | undefined)[],
  defaults: CsvDefaults,
): ListedSuppression | string => {
  const value = (name: Column): string => (record[order.indexOf(name)] ?? '').replace(/^'(?=[=+@\t-])/, '')
  const address = canonicalAddress(value('address'))
  if (!isName(address)) return `not an address: ${address.slice(0, 80)}`
  const scope = value('scope') === '' ? defaults.scope : readScope(value('scope'))
  if (!scope) return `not a scope: ${value('scope').slice(0, 80)}`
  const reason = suppressionReasons.find((one) => one === (value('reason') || 'operator'))
  if (!reason || reason === 'released') return `not a reason: ${value('reason').slice(0, 80)}`
  const since = timeOf(value('since')) ?? defaults.now
  const until = value('until') === '' ? undefined : timeOf(value('until'))
  if (Number.isNaN(since) || (value('until') !== '' && (until === undefined || Number.isNaN(until))))
    return 'not a time'
  return {
    address,
    scope,
    reason,
    evidence: value('evidence'),
    since,
    ...(until !== undefined && { until }),
    author: value('author') || defaults.author,
    note: value('note') || defaults.note,
  }
}

/** An address, or the keyed hash that stands for one. */
const isName = (name: string): boolean =>
  /^[^\s@]{1,64}@[^\s@]{1,255}$|^"[^"]{1,64}"@[^\s@]{1,255}$|^[0-9a-f]{64}$/.test(name)

/** ms since 1970; NaN where it is no time, undefined where it is empty. */
const timeOf = (text: string): number | undefined =>
  text === '' ? undefined : /^\d{1,16}$/.test(text) ? Number(text) : Date.parse(text)
