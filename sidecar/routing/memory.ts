// The last routing document this sidecar has seen, in memory and in a file: what is put back when Redis has lost its
// own, with the operators' overrides and suspensions. Also keeps versions rising over such a loss.

import { readFile, rename, writeFile } from 'node:fs/promises'

import { messageOf } from '@sluice/core/errors'
import type { RoutingDocument } from '@sluice/core/routing/table'

import type { Log } from '../log'
import { nothingPublished, parseDocument } from './document'

export class RoutingMemory {
  private document: RoutingDocument = nothingPublished
  private writing: Promise<void> = Promise.resolve()

  private constructor(
    private readonly file: string,
    private readonly log: Log,
  ) {}

  /** A file that is absent or damaged means that nothing is remembered. */
  static async open(file: string, log: Log): Promise<RoutingMemory> {
    const memory = new RoutingMemory(file, log)
    try {
      memory.document = parseDocument(await readFile(file, 'utf8'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        log.warn({ file, error: messageOf(error) }, 'the remembered routing document cannot be used')
      }
    }
    return memory
  }

  /** Version 0 where nothing is remembered. */
  get last(): RoutingDocument {
    return this.document
  }

  /** Remembers what is newer than what it has. */
  take(document: RoutingDocument): void {
    if (document.version <= this.document.version) return
    this.document = document
    this.writing = this.writing.then(() => this.write())
  }

  /** When everything taken is in the file. */
  async settled(): Promise<void> {
    await this.writing
  }

  private async write(): Promise<void> {
    const beside = `${this.file}.new`
    try {
      await writeFile(beside, JSON.stringify(this.document), { mode: 0o600 })
      await rename(beside, this.file)
    } catch (error) {
      this.log.warn({ file: this.file, error: messageOf(error) }, 'the routing document cannot be remembered on disk')
    }
  }
}
