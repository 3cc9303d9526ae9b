// A sealed segment as a file: measured before it is inserted, gone (or archived) after ClickHouse has acknowledged it.

import { createReadStream } from 'node:fs'
import { copyFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import { cleanName } from './names'

export interface Measure {
  readonly lines: number
  readonly bytes: number
}

const lineEnd = 0x0a

/** Lines of a file; blank ones do not count. */
export const measure = async (file: string): Promise<Measure> => {
  let lines = 0
  let bytes = 0
  let filled = false
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    for (let at = 0; at < chunk.length;) {
      const end = chunk.indexOf(lineEnd, at)
      const upTo = end < 0 ? chunk.length : end
      filled ||= hasContent(chunk, at, upTo)
      if (end < 0) break
      if (filled) lines += 1
      filled = false
      at = end + 1
    }
  }
  return { lines: filled ? lines + 1 : lines, bytes }
}

/** Blank to JSON: space, tab, line ends. */
const blanks = new Set([0x20, 0x09, 0x0d, lineEnd])

/** Whether a part of `bytes` is more than blanks. */
export const hasContent = (bytes: Buffer, from = 0, to = bytes.length): boolean => {
  for (let at = from; at < to; at += 1) if (!blanks.has(bytes[at] ?? 0)) return true
  return false
}

/** Removes an acknowledged segment, or moves it to `archive`. A second call for the same one does nothing. */
export const dispose = async (folder: string, name: string, archive: string | undefined): Promise<void> => {
  const file = path.join(folder, name)
  // The segment last: while it is there, a restart finishes this.
  await rm(path.join(folder, cleanName(name)), { force: true })
  if (archive === undefined) await rm(file, { force: true })
  else await move(file, path.join(archive, name))
}

/** Rename, or copy where the other folder is on another disk. */
export const move = async (from: string, to: string): Promise<void> => {
  try {
    await rename(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    if (code !== 'EXDEV') throw error
    await copyFile(from, `${to}.draft`)
    await rename(`${to}.draft`, to)
    await rm(from, { force: true })
  }
}
