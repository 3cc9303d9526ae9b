// The report spool as a queue that loses and doubles nothing. Reports are worked on in batches; a batch is a folder they
// are moved into, and its name is that of the spool segment with their outcomes, so that whoever finishes an
// interrupted batch writes the same segment again, or finds it written.
//
//   <folder>/*.report                waiting
//   <folder>/taken/<batch>/*.report  worked on
//   <folder>/taken/<batch>.done      finished, to be removed
//   <folder>/quarantine/             not understood: the original, and its reason beside it

import { randomBytes } from 'node:crypto'
import { mkdir, open, opendir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { envelopeLine, reportFileName, reportSuffix, type ReportEnvelope } from '@sluice/core/spool/report-file'

const doneSuffix = '.done'
/** Originals kept because they were not understood; the oldest go first. */
const mostKept = 1000

export class ReportFolder {
  private sequence = 0
  private readonly taken: string
  private readonly quarantine: string

  constructor(
    readonly folder: string,
    private readonly host: string,
  ) {
    this.taken = path.join(folder, 'taken')
    this.quarantine = path.join(folder, 'quarantine')
  }

  async prepare(): Promise<void> {
    for (const each of [this.taken, this.quarantine]) await mkdir(each, { recursive: true, mode: 0o750 })
  }

  /** Names of reports that wait, oldest first, at most `limit`; and how many there are. */
  async waiting(limit: number): Promise<{ readonly names: readonly string[]; readonly total: number }> {
    const names = await namesIn(this.folder, (name) => name.endsWith(reportSuffix))
    return { names: names.sort().slice(0, limit), total: names.length }
  }

  /** Batches that were begun and not finished. Removes those that were. */
  async unfinished(): Promise<string[]> {
    const names = await namesIn(this.taken, () => true)
    for (const done of names.filter((name) => name.endsWith(doneSuffix))) await this.remove(done)
    return names.filter((name) => !name.endsWith(doneSuffix)).sort()
  }

  /** Moves reports into a batch of that name. @returns those that were still there */
  async take(batch: string, names: readonly string[]): Promise<string[]> {
    const into = path.join(this.taken, batch)
    await mkdir(into)
    const moved: string[] = []
    const move = async (name: string): Promise<void> => {
      if (await moveIfThere(path.join(this.folder, name), path.join(into, name))) moved.push(name)
    }
    await Promise.all(names.map(move))
    return moved
  }

  reportsOf(batch: string): Promise<string[]> {
    return namesIn(path.join(this.taken, batch), (name) => name.endsWith(reportSuffix))
  }

  read(batch: string, name: string): Promise<Buffer> {
    return readFile(path.join(this.taken, batch, name))
  }

  /** The report waits again: it cannot be worked on yet. */
  async putBack(batch: string, name: string): Promise<void> {
    await moveIfThere(path.join(this.taken, batch, name), path.join(this.folder, name))
  }

  /** Keeps the original of a report that was not understood. */
  async setAside(batch: string, name: string, reason: string): Promise<void> {
    await writeFile(path.join(this.quarantine, `${name}.reason`), `${reason}\n`)
    await moveIfThere(path.join(this.taken, batch, name), path.join(this.quarantine, name))
    const kept = await namesIn(this.quarantine, (one) => one.endsWith(reportSuffix))
    for (const oldest of kept.sort().slice(0, Math.max(0, kept.length - mostKept))) {
      await rm(path.join(this.quarantine, oldest), { force: true })
      await rm(path.join(this.quarantine, `${oldest}.reason`), { force: true })
    }
  }

  /** The batch has had its effect. */
  async finish(batch: string): Promise<void> {
    await rename(path.join(this.taken, batch), path.join(this.taken, batch + doneSuffix))
    await this.remove(batch + doneSuffix)
  }

  /**
   * Adds a report that did not come by SMTP; on disk when this settles.
   * @returns its name
   * @throws the file system's error
   */
  async add(envelope: ReportEnvelope, message: Uint8Array): Promise<string> {
    const worker = `sidecar.${process.pid}.${randomBytes(3).toString('hex')}`
    const name = reportFileName(envelope.at, this.host, worker, this.sequence++)
    await writeDurably(path.join(this.folder, name), Buffer.concat([Buffer.from(envelopeLine(envelope)), message]))
    return name
  }

  private async remove(done: string): Promise<void> {
    await rm(path.join(this.taken, done), { recursive: true, force: true })
  }
}

/** Whole or not at all, and on disk. @throws the file system's error; nothing is left then */
export const writeDurably = async (file: string, content: Buffer): Promise<void> => {
  const draft = `${file}.tmp`
  try {
    const handle = await open(draft, 'w', 0o640)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  const folder = await open(path.dirname(file), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export const isThere = async (file: string): Promise<boolean> => {
  try {
    await stat(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

const namesIn = async (folder: string, wanted: (name: string) => boolean): Promise<string[]> => {
  const names: string[] = []
  for await (const { name } of await opendir(folder, { bufferSize: 1024 })) if (wanted(name)) names.push(name)
  return names
}

const moveIfThere = async (from: string, to: string): Promise<boolean> => {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
