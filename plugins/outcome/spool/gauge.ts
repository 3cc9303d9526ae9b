// How much room the spool has, measured now and then in the background: bytes of all segments in the folder (all
// workers', sealed and open), and free space on its disk. A measurement that fails changes nothing: a folder that
// cannot be read is noticed by the writer.

import { readdir, stat, statfs } from 'node:fs/promises'
import path from 'node:path'

import { pressureOf } from '@sluice/core/spool/pressure'
import { parseSegmentName } from '@sluice/core/spool/segment'

export interface SpoolBounds {
  /** Bytes. */
  readonly max: number
  readonly minFree: number
}

const everyMs = 2000

export class Gauge {
  /** 0..1, see `pressureOf` */
  pressure = 0
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly folder: string,
    private readonly bounds: () => SpoolBounds,
  ) {}

  /** Measures at once, and from then on until `stop`. */
  start(): void {
    this.timer ??= setInterval(() => void this.measure(), everyMs).unref()
    void this.measure()
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }

  async measure(): Promise<void> {
    try {
      const [used, disk] = await Promise.all([this.used(), statfs(this.folder)])
      this.pressure = pressureOf({ used, free: disk.bavail * disk.bsize, ...this.bounds() })
    } catch {
      // See the head of the file.
    }
  }

  private async used(): Promise<number> {
    const names = (await readdir(this.folder)).filter((name) => parseSegmentName(name) !== undefined)
    let used = 0
    for (const name of names) {
      // The reader may have deleted it meanwhile.
      used += await stat(path.join(this.folder, name)).then(
        ({ size }) => size,
        () => 0,
      )
    }
    return used
  }
}
