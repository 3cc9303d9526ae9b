// The answer to one request. It is held back until it ends, grows past a limit or has waited a moment: a query that
// fails in that time gets a proper status and error, one that ends gets its counters in a header. Later failures are
// told in the stream, framed as ClickHouse does (tag, `__exception__`, length), and the connection is cut, so that a
// truncated answer can never be taken for a whole one.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import zlib from 'node:zlib'

import type { Encoding } from './ask'
import { httpStatus, refuse, type Exception } from './exception'
import { contentType } from './format'

export interface Summary {
  readonly read_rows: number
  readonly read_bytes: number
  readonly written_rows: number
  readonly written_bytes: number
  readonly elapsed_ns: number
}

export interface AnswerOptions {
  readonly queryId: string
  readonly version: string
  readonly timezone: string
  readonly encoding: Encoding | undefined
  /** Hold everything back until the end. */
  readonly whole: boolean
  /** Ends the request where the client takes nothing for so long, in milliseconds. */
  readonly stallMs: number
}

const holdBytes = 128 * 1024
const holdMs = 100
/** Largest answer held back as a whole. */
const wholeBytes = 64 * 1024 * 1024

export class Answer {
  readonly #response: ServerResponse
  readonly #options: AnswerOptions
  readonly #tag = randomBytes(12).toString('hex').slice(0, 16)
  #held: Buffer[] = []
  #heldBytes = 0
  #timer: NodeJS.Timeout | undefined
  #format: string | undefined
  #out: Writable | undefined
  #packer: zlib.Gzip | zlib.BrotliCompress | undefined

  constructor(response: ServerResponse, options: AnswerOptions) {
    this.#response = response
    this.#options = options
  }

  set format(name: string) {
    this.#format = name
  }

  /** Whether a status has gone out, so that errors can only be told in the stream. */
  get begun(): boolean {
    return this.#out !== undefined
  }

  /** Takes part of the answer; settles when more can be taken. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#out) return this.#send(chunk)
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    const { whole } = this.#options
    if (whole && this.#heldBytes > wholeBytes) {
      throw refuse('TOO_MANY_ROWS_OR_BYTES', `with wait_end_of_query an answer may have ${wholeBytes} bytes`)
    }
    if (whole) return
    if (this.#heldBytes > holdBytes) await this.#release()
    else this.#timer ??= setTimeout(() => void this.#release().catch(ignoreGone), holdMs)
  }

  async end(summary: Summary): Promise<void> {
    clearTimeout(this.#timer)
    if (!this.#out) {
      const single = Buffer.concat(this.#held.splice(0))
      if (this.#options.encoding === undefined) this.#response.setHeader('Content-Length', single.length)
      this.#begin(200, summary)
      if (single.length > 0) await this.#send(single)
    }
    this.#out?.end()
  }

  fail(exception: Exception): void {
    clearTimeout(this.#timer)
    const text = exception.say(this.#options.version)
    if (this.#response.destroyed) return
    if (!this.#out) {
      this.#held = []
      this.#response.removeHeader('Content-Length')
      this.#response.setHeader('X-ClickHouse-Exception-Code', exception.code)
      this.#format = undefined
      // A body that was not read to its end cannot be told from the next request.
      if (!this.#response.req.complete) this.#response.setHeader('Connection', 'close')
      this.#begin(httpStatus(exception)).end(text)
      return
    }
    const bytes = Buffer.byteLength(text)
    const frame = `\r\n__exception__\r\n${this.#tag}\r\n${text}${bytes} ${this.#tag}\r\n__exception__\r\n`
    const { socket } = this.#response
    const cut = (): void => void socket?.end()
    const packer = this.#packer
    this.#out.write(frame, packer ? undefined : cut)
    packer?.flush(() => setImmediate(cut))
  }

  /** Sends what is held back: no counters then. */
  async #release(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#out) return
    this.#begin(200)
    await this.#send(Buffer.concat(this.#held.splice(0)))
  }

  #begin(status: number, summary?: Summary): Writable {
    const response = this.#response
    const { queryId, encoding, timezone } = this.#options
    response.statusCode = status
    response.setHeader(
      'Content-Type',
      this.#format === undefined ? 'text/plain; charset=UTF-8' : contentType(this.#format),
    )
    response.setHeader('X-ClickHouse-Server-Display-Name', 'sluice-engine')
    response.setHeader('X-ClickHouse-Query-Id', queryId)
    response.setHeader('X-ClickHouse-Timezone', timezone)
    response.setHeader('X-ClickHouse-Exception-Tag', this.#tag)
    if (this.#format !== undefined) response.setHeader('X-ClickHouse-Format', this.#format)
    if (summary) {
      const texts = Object.entries(summary).map(([key, value]) => [key, String(value)])
      response.setHeader('X-ClickHouse-Summary', JSON.stringify(Object.fromEntries(texts)))
    }
    if (encoding === undefined) return (this.#out = response)
    response.setHeader('Content-Encoding', encoding)
    response.setHeader('Vary', 'Accept-Encoding')
    const packer = encoding === 'gzip' ? zlib.createGzip({ level: 1 }) : zlib.createBrotliCompress(fastBrotli)
    packer.pipe(response)
    this.#packer = packer
    return (this.#out = packer)
  }

  /** @throws Exception 159 where the client takes nothing for too long, AbortError where it has gone */
  async #send(chunk: Buffer): Promise<void> {
    const out = this.#out
    if (!out || out.write(chunk)) return
    const stall = AbortSignal.timeout(this.#options.stallMs)
    const gone = new AbortController()
    const left = (): void => gone.abort()
    this.#response.once('close', left)
    try {
      if (!this.#response.destroyed) await once(out, 'drain', { signal: AbortSignal.any([stall, gone.signal]) })
    } catch (error) {
      if (stall.aborted) throw refuse('TIMEOUT_EXCEEDED', `nothing was read for ${this.#options.stallMs} ms`)
      throw error
    } finally {
      this.#response.off('close', left)
    }
  }
}

/** The timer's flush has nobody to tell; the next write finds the same thing out. */
const ignoreGone = (): void => {}

const fastBrotli = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 3 } }
