// Cuts a mail into the leaves of its MIME tree (RFC 2045, RFC 2046). Written for reports: whole in memory, synchronous,
// lazy (a part is decoded when somebody asks), tolerant of missing boundaries, strict about limits. What stands in headers
// and parts is decoded by mailparser's libraries; its own splitter and parser are too slow and merge the parts a report is
// read from (measured in docs/classification.md).

import { Headers, parseHeaders, type Mail, type MailPart } from '@sluice/core/report/mail'

import libmime from 'libmime'

import { decodeCharset, decodeHeader, decodeTransfer } from './charset'
import { defaultLimits, overLimit, type ReportLimits } from './limits'

interface Typed {
  readonly type: string
  readonly params: Readonly<Record<string, string>>
}

const untyped: Typed = { type: '', params: {} }
const maxTyped = 4000

/** A Content-Type or Content-Disposition value (RFC 2045, RFC 2231). */
const parseTyped = (value: string): Typed => {
  if (value === '') return untyped
  const { value: type, params } = libmime.parseHeaderValue(value.slice(0, maxTyped))
  return { type: type.toLowerCase(), params }
}

class Leaf implements MailPart {
  private decoded: string | undefined
  private named: string | undefined

  constructor(
    readonly type: string,
    readonly params: Readonly<Record<string, string>>,
    readonly headers: Headers,
    private readonly body: string,
  ) {}

  get name(): string {
    this.named ??= this.readName()
    return this.named
  }

  get text(): string {
    this.decoded ??= this.decode()
    return this.decoded
  }

  bytes(): Uint8Array {
    return Buffer.from(decodeTransfer(this.body, this.headers.get('content-transfer-encoding')), 'latin1')
  }

  private readName(): string {
    const disposition = this.headers.get('content-disposition')
    const given = disposition === '' ? undefined : parseTyped(disposition).params['filename']
    return decodeHeader(given ?? this.params['name'] ?? '')
  }

  private decode(): string {
    const plain = decodeTransfer(this.body, this.headers.get('content-transfer-encoding'))
    const isText = /^(?:text|message)(?:\/|$)/.test(this.type)
    return isText ? tidyLines(decodeCharset(plain, this.params['charset'] ?? '')) : plain
  }
}

const tidyLines = (text: string): string => (text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text)

class Reader {
  readonly parts: MailPart[] = []

  constructor(private readonly limits: ReportLimits) {}

  /** @returns the headers and type of the entity */
  entity(source: string, depth: number, inherited: string): { headers: Headers; typed: Typed } {
    const end = headerEnd(source)
    if (end.head > this.limits.header_bytes) throw overLimit('bytes of header', this.limits.header_bytes)
    const headers = parseHeaders(source.slice(0, end.head), decodeHeader)
    const given = parseTyped(headers.get('content-type'))
    const typed = given.type ? given : { type: inherited, params: {} }
    const body = source.slice(end.body)
    const boundary = typed.type.startsWith('multipart/') ? typed.params['boundary'] : undefined
    const children = boundary ? splitMultipart(body, boundary, this.limits.parts) : []
    if (children.length === 0) this.leaf(headers, typed, body)
    else this.multipart(children, depth, typed.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain')
    return { headers, typed }
  }

  private multipart(children: readonly string[], depth: number, inherited: string): void {
    if (depth >= this.limits.depth) throw overLimit('levels of multipart', this.limits.depth)
    for (const child of children) this.entity(child, depth + 1, inherited)
  }

  private leaf(headers: Headers, { type, params }: Typed, body: string): void {
    if (this.parts.length >= this.limits.parts) throw overLimit('parts', this.limits.parts)
    this.parts.push(new Leaf(type.startsWith('multipart/') ? 'text/plain' : type, params, headers, body))
  }
}

const headerEnd = (source: string): { head: number; body: number } => {
  if (source.startsWith('\n')) return { head: 0, body: 1 }
  const at = source.indexOf('\n\n')
  return at < 0 ? { head: source.length, body: source.length } : { head: at + 1, body: at + 2 }
}

/** The parts between the delimiter lines; empty where the boundary never occurs. */
const splitMultipart = (body: string, boundary: string, limit: number): string[] => {
  const delimiter = `--${boundary}`
  const parts: string[] = []
  let start = -1
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    if (at > 0 && body[at - 1] !== '\n') continue
    const lineEnd = body.indexOf('\n', at)
    const rest = body.slice(at + delimiter.length, lineEnd < 0 ? body.length : lineEnd)
    if (!/^(?:--)?[ \t]{0,80}$/.test(rest)) continue
    if (start >= 0) parts.push(body.slice(start, Math.max(start, at - 1)))
    if (parts.length > limit) throw overLimit('parts', limit)
    start = lineEnd < 0 ? body.length : lineEnd + 1
    if (rest.startsWith('--')) return parts
  }
  if (start >= 0 && start < body.length) parts.push(body.slice(start))
  return parts
}

/**
 * @param raw the mail as received, LF or CRLF; a leading mbox `From ` line is left out
 * @throws SluiceError SLUICE_REPORT_LIMIT beyond a limit
 */
export const readMail = (raw: Uint8Array, limits: ReportLimits = defaultLimits): Mail => {
  if (raw.length > limits.bytes) throw overLimit('bytes', limits.bytes)
  const latin1 = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1')
  let source = tidyLines(latin1)
  if (source.startsWith('From ')) source = source.slice(source.indexOf('\n') + 1)
  const reader = new Reader(limits)
  const { headers, typed } = reader.entity(source, 0, 'text/plain')
  return { headers, type: typed.type, params: typed.params, parts: reader.parts }
}
