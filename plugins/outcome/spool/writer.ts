// The spool of one worker: takes outcome records, writes those of one event-loop turn with one write, seals a segment
// at its limits (`segmentLimits`) and when the process ends. It never throws and never waits: where the disk is full or
// broken, records are dropped (least valuable kinds first), counted and said aloud, and a second later it tries again.

import { mkdirSync } from 'node:fs'

import { messageOf } from '@sluice/core/errors'
import type { OutcomeKind, OutcomeRecord } from '@sluice/core/outcome/record'
import { drops } from '@sluice/core/spool/pressure'
import { segmentLimits } from '@sluice/core/spool/segment'

import { Gauge, type SpoolBounds } from './gauge'
import { Losses, type LossLog } from './losses'
import { SegmentFile } from './segment-file'

export interface SpoolParts {
  readonly folder: string
  /** Names of this writer, as `segmentName` takes them. */
  readonly host: string
  readonly worker: string
  readonly bounds: () => SpoolBounds
  readonly log: LossLog
  /** ms since 1970 */
  readonly now?: () => number
}

/** After a fault of the disk nothing is tried for so long; ms. */
const patienceMs = 1000

export class SpoolWriter {
  readonly losses: Losses
  private readonly gauge: Gauge
  private readonly now: () => number
  private readonly started: number
  private sequence = 0
  private lines: string[] = []
  private kinds: OutcomeKind[] = []
  private turn: NodeJS.Immediate | undefined
  private segment: SegmentFile | undefined
  private readonly sealing = new Set<SegmentFile>()
  private age: NodeJS.Timeout | undefined
  private restingUntil = 0
  private fault = ''

  constructor(private readonly parts: SpoolParts) {
    this.now = parts.now ?? Date.now
    this.started = this.now()
    this.losses = new Losses(parts.log, this.now)
    this.gauge = new Gauge(parts.folder, parts.bounds)
  }

  append(record: OutcomeRecord): void {
    if (drops(record.kind, this.gauge.pressure)) {
      const percent = Math.round(this.gauge.pressure * 100)
      this.losses.lost(record.kind, `SLUICE_SPOOL_FULL: ${this.parts.folder} is at ${percent} % of its limits`)
      return
    }
    this.lines.push(JSON.stringify(record))
    this.kinds.push(record.kind)
    this.turn ??= setImmediate(() => this.flush())
  }

  /** Writes what has been appended, and seals; the process is about to end. */
  close(): void {
    this.flush()
    this.gauge.stop()
    clearTimeout(this.age)
    const open = [...this.sealing, ...(this.segment ? [this.segment] : [])]
    this.segment = undefined
    for (const one of open) this.attempt(() => one.finish())
  }

  private flush(): void {
    clearImmediate(this.turn)
    this.turn = undefined
    const { lines, kinds } = this
    if (lines.length === 0) return
    this.lines = []
    this.kinds = []
    const written =
      this.now() >= this.restingUntil &&
      this.attempt(() => {
        this.segment ??= this.create()
        this.segment.append(`${lines.join('\n')}\n`, lines.length)
      })
    if (!written) {
      for (const kind of kinds) this.losses.lost(kind, this.fault)
      return
    }
    if (!drops('accepted', this.gauge.pressure)) this.losses.over()
    const { segment } = this
    if (segment && (segment.lines >= segmentLimits.lines || segment.bytes >= segmentLimits.bytes)) this.seal()
  }

  private create(): SegmentFile {
    const { folder, host, worker } = this.parts
    mkdirSync(folder, { recursive: true, mode: 0o750 })
    const segment = SegmentFile.create(folder, { host, worker, started: this.started, sequence: this.sequence++ })
    this.gauge.start()
    this.age = setTimeout(() => this.seal(), segmentLimits.ageMs).unref()
    return segment
  }

  private seal(): void {
    clearTimeout(this.age)
    const { segment } = this
    this.segment = undefined
    if (!segment) return
    this.sealing.add(segment)
    segment.seal((error) => {
      this.sealing.delete(segment)
      if (error) this.rest(error)
    })
  }

  /** Whether it worked; a fault is kept for the losses, and the disk gets some peace. */
  private attempt(act: () => void): boolean {
    try {
      act()
      return true
    } catch (thrown) {
      this.rest(thrown)
      return false
    }
  }

  private rest(thrown: unknown): void {
    const full = (thrown as NodeJS.ErrnoException).code === 'ENOSPC'
    this.fault = `${full ? 'SLUICE_SPOOL_FULL' : 'SLUICE_SPOOL_UNWRITABLE'}: ${messageOf(thrown)}`
    this.restingUntil = this.now() + patienceMs
    // What is in the segment is good and can be read by others; the next one may be lucky elsewhere.
    if (this.segment) this.seal()
  }
}
