// The body of a request: decompressed, counted, complete before anything is done with it, so that a torn connection
// never inserts half a body. Small bodies stay in memory, large ones go to a file of their own, erased afterwards.

import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import zlib from 'node:zlib'

import { refuse } from './exception'
import type { Turnstile } from './turnstile'

export interface Body {
  readonly bytes: number
  /** All of it, where it stayed in memory. */
  readonly memory?: Buffer
  /** Where it is otherwise. */
  readonly file?: string
  readonly dispose: () => Promise<void>
}

export interface BodyLimits {
  /** Largest body after decompression. */
  readonly bytes: number
  /** Up to here it stays in memory. */
  readonly memoryBytes: number
  readonly folder: string
  /** How many large bodies may be on disk at once. */
  readonly spills: Turnstile
}

let sequence = 0

/**
 * Receives the whole body.
 * @throws Exception 177 above `limits.bytes`, 48 for an unknown encoding, 36 where it cannot be decompressed
 */
export const receive = async (request: IncomingMessage, limits: BodyLimits, signal: AbortSignal): Promise<Body> => {
  const held: Buffer[] = []
  let bytes = 0
  const measured = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      bytes += chunk.length
      if (bytes > limits.bytes) {
        throw refuse('QUERY_IS_TOO_LARGE', `the request body is larger than ${limits.bytes} bytes`)
      }
      yield chunk
    }
  }
  const source = measured(decoded(request, signal))
  for await (const chunk of take(source, () => bytes <= limits.memoryBytes)) held.push(chunk)
  if (bytes <= limits.memoryBytes) return { bytes, memory: Buffer.concat(held), dispose: () => Promise.resolve() }

  const leave = await limits.spills.enter(signal)
  const file = path.join(limits.folder, `body-${process.pid}-${(sequence += 1)}`)
  const dispose = (): Promise<void> => rm(file, { force: true }).finally(leave)
  const rest = async function* (): AsyncGenerator<Buffer> {
    yield* held.splice(0)
    yield* source
  }
  try {
    await pipeline(rest, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal })
  } catch (error) {
    await dispose()
    throw error
  }
  return { bytes, file, dispose }
}

/** Items of `source` while `more` holds; the rest stays in it. */
const take = async function* (source: AsyncGenerator<Buffer>, more: () => boolean): AsyncGenerator<Buffer> {
  for (;;) {
    const next = await source.next()
    if (next.done === true) return
    yield next.value
    if (!more()) return
  }
}

const decoders: Readonly<Record<string, () => NodeJS.ReadWriteStream>> = {
  gzip: () => zlib.createGunzip(),
  'x-gzip': () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
}

const decoded = async function* (request: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase()
  if (encoding === 'identity') {
    yield* request as AsyncIterable<Buffer>
    return
  }
  const decoder = decoders[encoding]?.()
  if (!decoder) throw refuse('NOT_IMPLEMENTED', `Content-Encoding ${encoding} is not supported by the embedded engine`)
  const fed = pipeline(request, decoder, { signal })
  // Its failure also ends the loop below, which then reports it; this only keeps it from being unhandled.
  fed.catch(() => undefined)
  try {
    yield* decoder as unknown as AsyncIterable<Buffer>
    await fed
  } catch (error) {
    signal.throwIfAborted()
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!code.startsWith('Z_') && !code.startsWith('ERR__') && !code.startsWith('ERR_BROTLI')) throw error
    throw refuse('BAD_ARGUMENTS', `the request body is not valid ${encoding}`)
  }
}
