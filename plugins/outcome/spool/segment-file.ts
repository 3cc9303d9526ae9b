// One segment on disk: appended to while open, sealed by rename, never touched again. What is appended is there for
// any reader at once and survives the process; sealing makes it survive the machine. An append that fails leaves no
// torn line behind.

import { closeSync, fsync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'

import { segmentName, type SegmentName } from '@sluice/core/spool/segment'

export class SegmentFile {
  /** Lines and bytes in it. */
  lines = 0
  bytes = 0
  private state: 'open' | 'sealing' | 'sealed' = 'open'

  private constructor(
    private readonly descriptor: number,
    private readonly openPath: string,
    private readonly sealedPath: string,
  ) {}

  /** @throws the file system's error */
  static create(folder: string, name: Omit<SegmentName, 'sealed'>): SegmentFile {
    const openPath = path.join(folder, segmentName({ ...name, sealed: false }))
    const sealedPath = path.join(folder, segmentName({ ...name, sealed: true }))
    return new SegmentFile(openSync(openPath, 'ax', 0o640), openPath, sealedPath)
  }

  /**
   * @param text whole lines
   * @throws the file system's error; the file is then as it was before
   */
  append(text: string, lines: number): void {
    const data = Buffer.from(text, 'utf8')
    try {
      for (let done = 0; done < data.length;) done += writeSync(this.descriptor, data, done)
    } catch (thrown) {
      ftruncateSync(this.descriptor, this.bytes)
      throw thrown
    }
    this.bytes += data.length
    this.lines += lines
  }

  /** Makes it durable and seals it, in the background. `done` is told of the file system's error, if any. */
  seal(done: (error: Error | null) => void): void {
    this.state = 'sealing'
    fsync(this.descriptor, () => {
      // A disk that cannot sync may still be read: the segment is sealed all the same.
      try {
        this.finish()
        done(null)
      } catch (thrown) {
        done(thrown as Error)
      }
    })
  }

  /**
   * Seals it now: the process is about to end.
   * @throws the file system's error
   */
  finish(): void {
    if (this.state === 'sealed') return
    this.state = 'sealed'
    closeSync(this.descriptor)
    renameSync(this.openPath, this.sealedPath)
  }
}
