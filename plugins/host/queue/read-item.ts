// The head of a queue file, and the whole file where it is small: read in one go.

import { rename } from 'node:fs/promises'
import path from 'node:path'

import { messageOf } from '@sluice/core/errors'

import type { FileContent, QueueFiles } from './files'

/** What a queue file begins with (outbound/index.js build_todo): 4 bytes length, then that much JSON, the todo. */
export interface QueueFileHead {
  readonly head: Buffer
  /** Size of the whole file. */
  readonly size: number
  /** The rest of the file, where it is small. */
  readonly content?: Buffer
}

/** The file is not a queue file, and reading it again would not make it one. */
export class CorruptQueueFile extends Error {}

const firstRead = 64 * 1024
/** A todo is an envelope and notes; more than this is a broken length. */
const headLimit = 64 * 1024 * 1024

/** @throws CorruptQueueFile, or the error of the file system */
export const readHead = async (file: string, files: QueueFiles): Promise<QueueFileHead> => {
  let found: FileContent = await files.read(file, firstRead)
  if (found.bytes.length < 4) throw new CorruptQueueFile(`${found.size} bytes`)
  const end = 4 + found.bytes.readUInt32BE(0)
  if (end > headLimit || end > found.size) throw new CorruptQueueFile(`a header of ${end} bytes`)
  if (end > found.bytes.length) found = await files.read(file, end)
  const { bytes, size } = found
  if (bytes.length < end) throw new CorruptQueueFile(`ends after ${bytes.length} bytes`)
  const head = bytes.subarray(0, end)
  try {
    JSON.parse(head.toString('utf8', 4))
  } catch (thrown) {
    throw new CorruptQueueFile(messageOf(thrown))
  }
  return { head, size, ...(bytes.length === size ? { content: bytes.subarray(end) } : {}) }
}

/** Puts a corrupt file aside under the name Haraka gives it, where an operator finds it and no loader reads it. */
export const setAside = async (file: string, complain: (text: string) => void): Promise<void> => {
  const aside = path.join(path.dirname(file), `error.${path.basename(file)}`)
  await rename(file, aside).catch((thrown: unknown) => complain(`${file} cannot be set aside: ${messageOf(thrown)}`))
}
