// What a message will look like in its queue file. Haraka's message stream gives it through a chain of transforms,
// line by line; here the lines are noted as they arrive, and put together once. A message too large to note, or whose
// stream was replaced by a plugin, goes the long way.

import { Writable } from 'node:stream'

import { Attached } from '@sluice/core/transient/attached'
import type { MessageStream } from '../haraka'

/** Larger messages are left to Haraka's streams. Bytes. */
export const messageLimit = 4 * 1024 * 1024

interface Notes {
  lines: Buffer[]
  size: number
}

const noted = new Attached<MessageStream, Notes>()

/** Begins to note the lines of a message that has just been begun. */
export const noteLines = (stream: MessageStream): void => {
  const notes: Notes = { lines: [], size: 0 }
  noted.set(stream, notes)
  const addLine = stream.add_line.bind(stream)
  stream.add_line = (line) => {
    const bytes = typeof line === 'string' ? Buffer.from(line) : line
    notes.size += bytes.length
    if (notes.size <= messageLimit) notes.lines.push(bytes)
    else notes.lines = []
    addLine(bytes)
  }
  // The stream removes its spool file when it ends, also where there never was one.
  const destroy = stream.destroy.bind(stream)
  stream.destroy = () => {
    if (stream.spooling) destroy()
  }
}

/**
 * The whole content as Haraka would store it, in pieces: the header as it is now, the body as it came.
 *
 * The notes serve once; who asks again gets it the long way. They are emptied, and the caller had better empty the
 * pieces when it has written them: garbage that leads to hundreds of lines is copied by young collections whenever
 * something old leads to it.
 */
export const contentOf = async (stream: MessageStream): Promise<Buffer[]> => {
  const notes = noted.get(stream)
  if (!notes || notes.size > messageLimit || notes.size !== stream.bytes_read) return collect(stream)
  noted.delete(stream)
  const lines = notes.lines.splice(0)
  if (stream.headers.length === 0) return lines
  const header = Buffer.from(`${stream.headers.join('').replace(/\r?\n/g, '\r\n')}\r\n`)
  const pieces = [header, ...bodyOf(lines)]
  lines.length = 0
  return pieces
}

/** What follows the first empty line; nothing where there is none. */
const bodyOf = (lines: readonly Buffer[]): readonly Buffer[] => {
  const end = lines.findIndex(isEmptyLine)
  const header = end < 0 ? lines : lines.slice(0, end)
  // Lines come one by one, Haraka's own header field in one piece; if one hides the end of the header, look into it.
  if (!header.every(hasNoEmptyLine)) return [afterEmptyLine(Buffer.concat(lines))]
  return end < 0 ? [] : lines.slice(end + 1)
}

const isEmptyLine = (line: Buffer): boolean =>
  (line.length === 2 && line[0] === 0x0d && line[1] === 0x0a) || (line.length === 1 && line[0] === 0x0a)

const hasNoEmptyLine = (piece: Buffer): boolean =>
  piece.indexOf(0x0a) === piece.length - 1 || (piece.at(-1) === 0x0a && endOfHeader(piece) < 0)

const afterEmptyLine = (raw: Buffer): Buffer => {
  const end = endOfHeader(raw)
  return raw.subarray(end < 0 ? raw.length : end)
}

/** Where the first empty line ends; -1 where there is none. */
const endOfHeader = (raw: Buffer): number => {
  if (raw[0] === 0x0a) return 1
  if (raw[0] === 0x0d && raw[1] === 0x0a) return 2
  const full = raw.indexOf('\n\r\n')
  const bare = raw.indexOf('\n\n')
  if (full < 0 && bare < 0) return -1
  return bare < 0 || (full >= 0 && full < bare) ? full + 3 : bare + 2
}

const collect = (stream: MessageStream): Promise<Buffer[]> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const into = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk)
        done()
      },
      final: (done) => {
        resolve(chunks)
        done()
      },
    })
    into.on('error', reject)
    stream.pipe(into, { dot_stuffed: false })
  })
