// The report spool: one file per message taken. Written under a temporary name, synced, renamed, and the folder synced,
// before the client hears 250; so a report that was accepted is on disk whole, and one that is not whole is no report.
// Reports that nobody fetches must not fill the disk that mail is queued on: below the free space that sluice.yaml
// keeps for it none is taken.

import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, statfs, unlink } from 'node:fs/promises'
import path from 'node:path'

import { SluiceError } from '@sluice/core/errors'
import { envelopeLine, reportFileName, type ReportEnvelope } from '@sluice/core/spool/report-file'

export class ReportSpool {
  private sequence = 0
  private ready: Promise<unknown> | undefined

  constructor(
    private readonly folder: string,
    private readonly host: string,
    private readonly worker: string,
    /** Bytes that stay free on the disk. */
    private readonly minFree: () => number,
  ) {}

  /**
   * @returns the name of the file
   * @throws SluiceError SLUICE_SPOOL_FULL; the file system's error where the report could not be stored; nothing is left then
   */
  async store(envelope: ReportEnvelope, message: Buffer): Promise<string> {
    await this.prepare()
    await this.demandRoom(message.length)
    // A worker that restarts begins with sequence 0 again: what tells its files apart is the random part.
    const worker = `${this.worker}.${randomBytes(3).toString('hex')}`
    const name = reportFileName(envelope.at, this.host, worker, this.sequence++)
    const temporary = path.join(this.folder, `${name}.tmp`)
    try {
      await writeSynced(temporary, [Buffer.from(envelopeLine(envelope)), message])
      await rename(temporary, path.join(this.folder, name))
    } catch (error) {
      await unlink(temporary).catch(() => undefined) // it may never have come to be
      throw error
    }
    await syncFolder(this.folder)
    return name
  }

  private async demandRoom(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder)
    const left = bavail * bsize - bytes
    if (left < this.minFree())
      throw new SluiceError('SLUICE_SPOOL_FULL', `only ${left} bytes would be left on the disk`)
  }

  private prepare(): Promise<unknown> {
    this.ready ??= mkdir(this.folder, { recursive: true }).catch((error: unknown) => {
      this.ready = undefined
      throw error
    })
    return this.ready
  }
}

const writeSynced = async (file: string, parts: Buffer[]): Promise<void> => {
  const handle = await open(file, 'wx', 0o640)
  try {
    await handle.writev(parts)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
