// Segments left open by dead writers: sealed here, so that their lines are not lost. A last line without its end was
// cut by the death; it is set aside in a `.torn` file and counted. Two sealers at once do the same twice, harmlessly.

import { open, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { writerIsDead } from './writer'

export interface Sealed {
  /** Name of the sealed segment; absent where nothing was in it. */
  readonly name?: string
  /** Bytes of the line that was cut off. */
  readonly tornBytes: number
}

const lineEnd = 0x0a
const block = 64 * 1024

/**
 * Seals an open segment whose writer is dead and which was not written to for `quietMs`.
 * @returns undefined where it was left alone
 */
export const sealOrphan = async (folder: string, name: string, quietMs: number): Promise<Sealed | undefined> => {
  const file = path.join(folder, name)
  try {
    const { mtimeMs } = await stat(file)
    if (Date.now() - mtimeMs < quietMs || !(await writerIsDead(file, name))) return undefined
    return await seal(folder, name)
  } catch (error) {
    // Another sealer, or the worker's successor, was faster.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const seal = async (folder: string, name: string): Promise<Sealed> => {
  const file = path.join(folder, name)
  const handle = await open(file, 'r+')
  let tornBytes: number
  let whole: number
  try {
    const { size } = await handle.stat()
    whole = await endOfLastLine(handle, size)
    tornBytes = size - whole
    if (tornBytes > 0) {
      const torn = Buffer.alloc(tornBytes)
      await handle.read(torn, 0, tornBytes, whole)
      await writeFile(file.replace(/\.open$/, '.torn'), torn)
      await handle.truncate(whole)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  if (whole === 0) {
    await rm(file)
    return { tornBytes }
  }
  const sealed = name.replace(/\.open$/, '.ndjson')
  await rename(file, path.join(folder, sealed))
  return { name: sealed, tornBytes }
}

/** Offset after the last line end; 0 where there is none. */
const endOfLastLine = async (handle: FileHandle, size: number): Promise<number> => {
  const buffer = Buffer.alloc(block)
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - block)
    const { bytesRead } = await handle.read(buffer, 0, end - start, start)
    const found = buffer.subarray(0, bytesRead).lastIndexOf(lineEnd)
    if (found >= 0) return start + found + 1
    end = start
  }
  return 0
}
