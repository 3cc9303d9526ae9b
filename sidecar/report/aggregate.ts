// DMARC aggregate and TLS reports, from a mail's attachment or from a file: expand, parse, turn into rows. XML entities
// are not expanded and nesting is bounded.

import { messageOf, SluiceError } from '@sluice/core/errors'
import { dmarcRows, tlsRows, type DmarcRow, type TlsRow } from '@sluice/core/report/aggregate'
import type { Mail } from '@sluice/core/report/mail'
import { XMLParser, XMLValidator } from 'fast-xml-parser'

import { expand } from './expand'
import { defaultLimits, type ReportLimits } from './limits'

export type AggregateReport =
  | { readonly kind: 'dmarc'; readonly rows: readonly DmarcRow[] }
  | { readonly kind: 'tlsrpt'; readonly rows: readonly TlsRow[] }

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  removeNSPrefix: true,
  parseTagValue: false,
  processEntities: false,
  trimValues: true,
  maxNestedTags: 30,
})

const textOf = (bytes: Uint8Array): string => {
  const text = new TextDecoder(startsUtf16(bytes)).decode(bytes)
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

const startsUtf16 = (bytes: Uint8Array): string =>
  bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8'

/** The five entities that XML itself defines; the parser is told to know none. */
const plainEntities = (value: string): string =>
  value.includes('&')
    ? value
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&quot;', '"')
        .replaceAll('&apos;', "'")
        .replaceAll('&amp;', '&')
    : value

/**
 * @param bytes the report, plain, gzip or zip
 * @throws SluiceError SLUICE_REPORT_LIMIT or SLUICE_REPORT_CONTENT
 */
export const readAggregate = async (
  bytes: Uint8Array,
  limits: ReportLimits = defaultLimits,
): Promise<AggregateReport> => {
  const text = textOf(await expand(bytes, limits)).trimStart()
  if (text.startsWith('{')) return { kind: 'tlsrpt', rows: tlsRows(parse('JSON', () => JSON.parse(text) as unknown)) }
  if (!text.startsWith('<')) throw new SluiceError('SLUICE_REPORT_CONTENT', 'neither XML nor JSON')
  const fault = XMLValidator.validate(text)
  if (fault !== true)
    throw new SluiceError('SLUICE_REPORT_CONTENT', `not XML: line ${fault.err.line}: ${fault.err.msg}`)
  const document = parse('XML', () => parser.parse(text) as unknown)
  return { kind: 'dmarc', rows: dmarcRows(document, limits.records).map(readable) }
}

const readable = (row: DmarcRow): DmarcRow => ({
  ...row,
  org_name: plainEntities(row.org_name),
  report_id: plainEntities(row.report_id),
})

const parse = (what: string, read: () => unknown): unknown => {
  try {
    return read()
  } catch (error) {
    throw new SluiceError('SLUICE_REPORT_CONTENT', `not ${what}: ${messageOf(error)}`, { cause: error })
  }
}

const aggregateType =
  /^(?:application|text)\/(?:xml|zip|gzip|x-zip|x-gzip|x-zip-compressed|tlsrpt\+(?:json|gzip)|json|octet-stream)/
const aggregateName = /\.(?:xml|json|zip|gz)$/i

/**
 * The report attached to a mail.
 * @throws SluiceError SLUICE_REPORT_CONTENT where no attachment is one
 */
export const readAggregateMail = async (mail: Mail, limits: ReportLimits = defaultLimits): Promise<AggregateReport> => {
  const part =
    mail.parts.find(({ name }) => aggregateName.test(name)) ?? mail.parts.find(({ type }) => aggregateType.test(type))
  if (!part) throw new SluiceError('SLUICE_REPORT_CONTENT', 'the mail has no aggregate report attached')
  return readAggregate(part.bytes(), limits)
}
