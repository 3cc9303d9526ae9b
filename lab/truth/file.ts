// Appends facts to an NDJSON file, in order, in batches. A fault is kept and reported, never swallowed: a truth with a
// hole is worth nothing.

import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

import { messageOf } from '@sluice/core/errors'

const batchMs = 50

export class FactFile {
  private readonly stream: WriteStream
  private batch: string[] = []
  private timer: NodeJS.Timeout | undefined
  private readonly ended: Promise<void>
  /** What went wrong first; undefined while all is well. */
  fault: string | undefined

  constructor(readonly path: string) {
    this.stream = createWriteStream(path, { flags: 'a' })
    this.ended = finished(this.stream).catch((error: unknown) => {
      this.fault ??= messageOf(error)
    })
  }

  append(fact: object): void {
    this.batch.push(JSON.stringify(fact))
    this.timer ??= setTimeout(() => this.flush(), batchMs)
  }

  /** Everything appended so far is in the file afterwards. @throws Error when it could not be written */
  async close(): Promise<void> {
    this.flush()
    this.stream.end()
    await this.ended
    if (this.fault !== undefined) throw new Error(`truth file ${this.path}: ${this.fault}`)
  }

  private flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.batch.length === 0 || this.fault !== undefined) return
    this.stream.write(`${this.batch.join('\n')}\n`)
    this.batch = []
  }
}
