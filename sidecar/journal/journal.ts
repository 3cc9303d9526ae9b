// An append-only file of JSON lines that end up in a ClickHouse table: what must not be lost while ClickHouse is away.
// A line is on disk before `append` settles. How far the file has been shipped stands in a file beside it; a crash
// between the two ships lines twice, so the table must make one of them (ReplacingMergeTree). A line torn by a crash
// is closed at the next start and skipped.

import { open, readFile, rename, stat, unlink, writeFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { messageOf } from '@sluice/core/errors'

import type { Log } from '../log'

export interface JournalOptions {
  readonly folder: string
  /** Of the file: `<name>.ndjson`, `<name>.shipped`. */
  readonly name: string
  /** Keep full files under another name once they are shipped; else they are removed. */
  readonly keep: boolean
  /** At this size a shipped file is put away, and an unshipped one takes no more unless it is kept. Bytes. */
  readonly fullBytes?: number
  readonly log: Log
}

export interface Batch {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Offset behind the last line. */
  readonly end: number
}

const usualFullBytes = 64 * 1024 * 1024
const batchBytes = 1024 * 1024
const newline = 0x0a

export class Journal {
  private size = 0
  private shippedTo = 0
  private writing: Promise<unknown> = Promise.resolve()
  private readonly fullBytes: number
  private readonly file: string
  private readonly mark: string
  /** Lines not taken because the file was full. */
  dropped = 0

  private constructor(
    private readonly options: JournalOptions,
    private handle: FileHandle,
  ) {
    this.fullBytes = options.fullBytes ?? usualFullBytes
    this.file = path.join(options.folder, `${options.name}.ndjson`)
    this.mark = path.join(options.folder, `${options.name}.shipped`)
  }

  static async open(options: JournalOptions): Promise<Journal> {
    const file = path.join(options.folder, `${options.name}.ndjson`)
    const journal = new Journal(options, await open(file, 'a+', 0o600))
    journal.size = (await stat(file)).size
    journal.shippedTo = Math.min(journal.size, await readMark(journal.mark))
    await journal.closeTornLine()
    return journal
  }

  /** Bytes that ClickHouse has not got yet. */
  get behind(): number {
    return this.size - this.shippedTo
  }

  /** Settles when the line is on disk. @returns false where the file is full and the line was not taken */
  append(row: Readonly<Record<string, unknown>>): Promise<boolean> {
    return this.inTurn(async () => {
      if (this.size >= this.fullBytes && !this.options.keep) {
        this.dropped += 1
        return false
      }
      const line = Buffer.from(`${JSON.stringify(row)}\n`)
      await this.handle.appendFile(line)
      await this.handle.datasync()
      this.size += line.length
      return true
    })
  }

  /** The next lines to ship, at least one where there are any; undefined where everything is shipped. */
  next(): Promise<Batch | undefined> {
    return this.inTurn(async () => {
      if (this.behind === 0) return undefined
      for (let length = Math.min(this.behind, batchBytes); ; length = Math.min(this.behind, length * 2)) {
        const buffer = Buffer.alloc(length)
        const { bytesRead } = await this.handle.read(buffer, 0, length, this.shippedTo)
        const whole = buffer.lastIndexOf(newline, bytesRead - 1) + 1
        if (whole > 0) return { rows: this.parse(buffer.subarray(0, whole)), end: this.shippedTo + whole }
        if (length >= this.behind) return undefined
      }
    })
  }

  /** Everything before `end` is in ClickHouse. */
  shipped(end: number): Promise<void> {
    return this.inTurn(async () => {
      await writeMark(this.mark, end)
      this.shippedTo = end
      if (this.size >= this.fullBytes && this.behind === 0) await this.putAway()
    })
  }

  async close(): Promise<void> {
    await this.inTurn(() => this.handle.close())
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.writing.then(work)
    this.writing = done.catch(() => undefined) // the caller has the error; the next in turn starts anew
    return done
  }

  private parse(bytes: Buffer): Record<string, unknown>[] {
    return bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as Record<string, unknown>]
        } catch (error) {
          this.options.log.warn({ file: this.file, error: messageOf(error) }, 'a torn line is skipped')
          return []
        }
      })
  }

  private async closeTornLine(): Promise<void> {
    if (this.size === 0) return
    const last = Buffer.alloc(1)
    await this.handle.read(last, 0, 1, this.size - 1)
    if (last[0] === newline) return
    await this.handle.appendFile('\n')
    this.size += 1
  }

  private async putAway(): Promise<void> {
    await this.handle.close()
    if (this.options.keep)
      await rename(this.file, path.join(this.options.folder, `${this.options.name}.${Date.now()}.ndjson`))
    else await unlink(this.file)
    await writeMark(this.mark, 0)
    this.handle = await open(this.file, 'a+', 0o600)
    this.size = 0
    this.shippedTo = 0
  }
}

const readMark = async (file: string): Promise<number> => {
  try {
    const mark = Number(await readFile(file, 'utf8'))
    return Number.isSafeInteger(mark) && mark > 0 ? mark : 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

const writeMark = async (file: string, mark: number): Promise<void> => {
  await writeFile(`${file}.new`, String(mark), { mode: 0o600 })
  await rename(`${file}.new`, file)
}
