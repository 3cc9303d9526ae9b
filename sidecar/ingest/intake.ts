// Takes one segment in: whole, or, where ClickHouse refuses its content, without the lines at fault. Either way each
// accepted line is in ClickHouse once when this settles, and nothing was removed from the spool yet.

import { existsSync } from 'node:fs'
import path from 'node:path'

import type { Log } from '../log'
import type { Loader, Progress } from './loader'
import type { Patience } from './patience'
import { cleanName, quarantineFolder } from './names'
import { split } from './quarantine'
import { measure, move } from './segment_file'
import type { Waiting } from './spool'
import { isContentFault, isEmptyFile } from './verdict'

/** Above this a file is no segment of ours: not one block for ClickHouse, and not read for its lines. */
const largestBytes = 200 * 1024 * 1024

interface Counts {
  readonly lines: number
  readonly bytes: number
  readonly quarantined: number
}

export interface IntakeParts {
  readonly folder: string
  readonly loader: Loader
  readonly patience: Patience
  readonly log: Log
  /** Ends what runs. */
  readonly signal: AbortSignal
}

export class Intake {
  readonly #parts: IntakeParts

  constructor(parts: IntakeParts) {
    this.#parts = parts
  }

  /** @returns undefined where it was no segment and has been moved away @throws `stopped` */
  async take({ name, bytes }: Waiting): Promise<Progress | undefined> {
    const { folder, log } = this.#parts
    if (bytes > largestBytes) {
      log.error({ segment: name, bytes }, 'too large for a segment; moved to quarantine')
      await move(path.join(folder, name), path.join(folder, quarantineFolder, name))
      return undefined
    }
    const isSplit = existsSync(path.join(folder, cleanName(name)))
    return { segment: name, ...(await (isSplit ? this.#clean(name) : this.#whole(name))) }
  }

  async #whole(name: string): Promise<Counts> {
    const { folder, loader, patience, log, signal } = this.#parts
    const file = path.join(folder, name)
    const { lines, bytes } = await measure(file)
    if (lines === 0) return { lines, bytes, quarantined: 0 }
    try {
      await patience.until(() => loader.insert(file, name, signal), name)
      return { lines, bytes, quarantined: 0 }
    } catch (error) {
      if (isEmptyFile(error)) return { lines: 0, bytes, quarantined: 0 }
      if (!isContentFault(error)) throw error
      log.warn({ segment: name, err: error }, 'ClickHouse refuses lines of a segment; setting them aside')
    }
    const rehearse = (lines: Buffer): Promise<void> => loader.rehearse(lines, signal)
    await patience.until(() => split(folder, name, rehearse), name)
    return this.#clean(name)
  }

  /** The accepted lines of a segment that was split. The token is another one: the content is. */
  async #clean(name: string): Promise<Counts> {
    const { folder, loader, patience, log, signal } = this.#parts
    const file = path.join(folder, cleanName(name))
    const aside = path.join(folder, quarantineFolder)
    const { lines, bytes } = await measure(file)
    const quarantined = (await measure(path.join(aside, name))).lines
    log.error({ segment: name, lines: quarantined, file: path.join(aside, name) }, 'lines quarantined')
    if (lines === 0) return { lines, bytes, quarantined }
    try {
      await patience.until(() => loader.insert(file, `${name}#clean`, signal), name)
      return { lines, bytes, quarantined }
    } catch (error) {
      if (!isContentFault(error)) throw error
      log.error({ segment: name, err: error }, 'ClickHouse refuses the clean lines too; all of it quarantined')
      await move(file, path.join(aside, cleanName(name)))
      return { lines: 0, bytes, quarantined: quarantined + lines }
    }
  }
}
