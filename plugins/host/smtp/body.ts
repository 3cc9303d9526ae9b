// The content of a queue file on its way out. Haraka stores it with dots stuffed and CRLF line ends (RFC 5321 4.5.2);
// two things are made sure of all the same: no line can end the message early, and the last line is complete.

import { open, type FileHandle } from 'node:fs/promises'
import { isAscii } from 'node:buffer'

import { messageOf } from '@sluice/core/errors'

import { patiently } from '../file-limit'
import { fault, type Fault } from './reply'

/** Up to this many bytes a message is read, and written to the socket, in one piece. */
export const wholeLimit = 512 * 1024
const chunkSize = 64 * 1024

const dot = 0x2e
const lineFeed = 0x0a
const carriageReturn = 0x0d

export interface Body {
  readonly size: number
  /** Undefined: too long to look; say 8-bit then, it includes 7-bit (RFC 6152). */
  readonly sevenBit: boolean | undefined
  /** The content in order, in pieces, ending with a complete line. */
  chunks(): AsyncGenerator<Buffer, void, void>
  close(): Promise<void>
}

/** @param start offset of the content in the file; it reaches to the end */
export const openBody = async (path: string, start: number, end: number): Promise<Body | Fault> => {
  let file: FileHandle | undefined
  try {
    file = await patiently(() => open(path, 'r'))
    const size = end - start
    if (size > wholeLimit) return new FileBody(file, start, size)
    const content = Buffer.allocUnsafe(size)
    await readFully(file, content, start)
    await file.close()
    return wholeBody(content)
  } catch (thrown) {
    await file?.close().catch(() => undefined)
    return fault('local', `queue file cannot be read: ${messageOf(thrown)}`)
  }
}

export const wholeBody = (content: Buffer): Body => ({
  size: content.length,
  sevenBit: isAscii(content),
  // eslint-disable-next-line @typescript-eslint/require-await -- all is at hand, but the interface is asynchronous
  async *chunks() {
    const whole = completed(stuffed(content, true))
    if (whole.length <= wholeLimit) yield whole
    else for (let at = 0; at < whole.length; at += chunkSize) yield whole.subarray(at, at + chunkSize)
  },
  close: () => Promise.resolve(),
})

class FileBody implements Body {
  readonly sevenBit = undefined

  constructor(
    private readonly file: FileHandle,
    private readonly start: number,
    readonly size: number,
  ) {}

  /** Pieces end at line ends (as long as lines are shorter than a piece), so that a dot is never parted from its line. */
  async *chunks(): AsyncGenerator<Buffer, void, void> {
    let carried: Buffer = Buffer.alloc(0)
    let lineStart = true
    for (let done = 0; done < this.size;) {
      const piece = Buffer.allocUnsafe(Math.min(chunkSize, this.size - done))
      await readFully(this.file, piece, this.start + done)
      done += piece.length
      const joined = carried.length > 0 ? Buffer.concat([carried, piece]) : piece
      const last = done === this.size
      const cut = last ? joined.length : joined.lastIndexOf(lineFeed) + 1 || joined.length
      carried = joined.subarray(cut)
      const ready = stuffed(joined.subarray(0, cut), lineStart)
      lineStart = ready.at(-1) === lineFeed
      yield last ? completed(ready) : ready
    }
  }

  async close(): Promise<void> {
    await this.file.close()
  }
}

const readFully = async (file: FileHandle, into: Buffer, position: number): Promise<void> => {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done)
    if (bytesRead === 0) throw new Error(`ends ${into.length - done} bytes early`)
    done += bytesRead
  }
}

/**
 * Doubles the dot of each line that begins with a single one: as stored every such line begins with two, so a single
 * dot is content that was never stuffed, and `.` alone would end the message and turn the rest into commands.
 */
export const stuffed = (content: Buffer, lineStart: boolean): Buffer => {
  const naked: number[] = []
  const look = (at: number): void => {
    if (content[at] === dot && content[at + 1] !== dot) naked.push(at)
  }
  if (lineStart) look(0)
  for (let at = content.indexOf('\n.'); at >= 0; at = content.indexOf('\n.', at + 2)) look(at + 1)
  if (naked.length === 0) return content
  const pieces: Buffer[] = []
  let from = 0
  for (const at of naked) {
    pieces.push(content.subarray(from, at), Buffer.of(dot))
    from = at
  }
  return Buffer.concat([...pieces, content.subarray(from)])
}

const completed = (content: Buffer): Buffer => {
  const { length } = content
  const ended = length >= 2 && content[length - 1] === lineFeed && content[length - 2] === carriageReturn
  return ended || length === 0 ? content : Buffer.concat([content, Buffer.from('\r\n')])
}
