// Writes, reads and removes queue files with as few steps as it takes: callbacks instead of promises and streams, one
// write per file. A written file is complete and on disk, or not there.
//
// Two ways around the thread pool were measured and dropped: steps made at once wait for the journal while other files
// are synced (350 us per file on the main thread, 75 with the pool), and threads of our own cost more in all.

import { closeSync, constants, fstat, fsync, open, read, rename, unlink, write } from 'node:fs'

import { patiently } from '../file-limit'

type Done = (error: NodeJS.ErrnoException | null) => void

export interface FileContent {
  readonly bytes: Buffer
  /** Of the whole file. */
  readonly size: number
}

export class QueueFiles {
  constructor(private readonly complain: (text: string) => void) {}

  /**
   * Writes, syncs and renames; resolves when the file is there and on disk.
   * @param temporary where it is written first; it must not exist, and is removed if anything fails
   * @throws the error of the file system
   */
  write(temporary: string, file: string, bytes: Buffer): Promise<void> {
    return patiently(
      () =>
        new Promise((resolve, reject) => {
          writeDurably(temporary, file, bytes, (error) => {
            if (error) reject(error)
            else resolve()
          })
        }),
    )
  }

  /** Reads the first `limit` bytes. @throws the error of the file system */
  read(file: string, limit: number): Promise<FileContent> {
    return patiently(
      () =>
        new Promise((resolve, reject) => {
          readStart(file, limit, (error, content) => {
            if (content) resolve(content)
            else reject(error ?? new Error(`${file}: no content`))
          })
        }),
    )
  }

  /** Removes the file some time soon; a failure is told. */
  remove(file: string): void {
    unlink(file, (error) => {
      if (error && error.code !== 'ENOENT') this.complain(error.message)
    })
  }
}

/**
 * What has been written to a file opened with O_SYNC is on disk as if by fsync (open(2)), without a further trip through
 * the thread pool. 0 where that is not so (on macOS fsync does more).
 */
const synchronous = process.platform === 'linux' ? constants.O_SYNC : 0
const { O_CREAT, O_EXCL, O_WRONLY } = constants

const writeDurably = (temporary: string, file: string, bytes: Buffer, done: Done): void => {
  open(temporary, O_WRONLY | O_CREAT | O_EXCL | synchronous, 0o666, (failed, fd) => {
    if (failed) {
      done(failed)
      return
    }
    const undo = (error: NodeJS.ErrnoException): void => unlink(temporary, () => done(error))
    const end = (error: NodeJS.ErrnoException | null): void => {
      // Nothing is left to write: closing does not wait for the disk.
      closeSync(fd)
      if (error) undo(error)
      else rename(temporary, file, (notRenamed) => (notRenamed ? undo(notRenamed) : done(null)))
    }
    writeAll(fd, bytes, (error) => {
      if (error || synchronous) end(error)
      else fsync(fd, end)
    })
  })
}

/** A disk may take less than it was given. */
const writeAll = (fd: number, bytes: Buffer, done: Done): void => {
  write(fd, bytes, (error, written) => {
    if (error || written === bytes.length) done(error)
    else writeAll(fd, bytes.subarray(written), done)
  })
}

type Read = (error: NodeJS.ErrnoException | null, content?: FileContent) => void

const readStart = (file: string, limit: number, done: Read): void => {
  open(file, 'r', (failed, fd) => {
    if (failed) {
      done(failed)
      return
    }
    const end: Read = (error, content) => {
      closeSync(fd)
      done(error, content)
    }
    fstat(fd, (error, stats) => {
      if (error) end(error)
      else readAll(fd, Buffer.allocUnsafeSlow(Math.min(stats.size, limit)), 0, stats.size, end)
    })
  })
}

const readAll = (fd: number, into: Buffer, from: number, size: number, done: Read): void => {
  read(fd, into, from, into.length - from, from, (error, count) => {
    if (error) done(error)
    else if (count === 0 || from + count === into.length) done(null, { bytes: into.subarray(0, from + count), size })
    else readAll(fd, into, from + count, size, done)
  })
}
