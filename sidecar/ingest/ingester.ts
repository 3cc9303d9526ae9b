// Sealed spool segments into ClickHouse, each exactly once, oldest first. A segment is removed only after ClickHouse
// has acknowledged its rows and the record of it. Killed at any moment, it does the same inserts again under the same
// tokens, which ClickHouse drops. While ClickHouse is away everything waits, in order.

import { mkdir } from 'node:fs/promises'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'

import { isInfilePath } from '../engine/infiles'
import type { Engine } from '../engine/process'
import { silent, type Log } from '../log'
import { Intake } from './intake'
import { Loader, type Progress } from './loader'
import { sealOrphan } from './orphan'
import { Patience, stopped } from './patience'
import { quarantineFolder } from './names'
import { dispose } from './segment_file'
import { readSpool, SpoolWatch, type Page, type Waiting } from './spool'
import { Tally, unmetered, type IngestMeter, type IngestStatus } from './status'

export interface IngestOptions {
  /** Bound to the migrated database. */
  readonly client: ClickHouseClient
  /** The spool; made if absent. */
  readonly folder: string
  /** The engine of this host, where it may read the spool itself. */
  readonly local?: Pick<Engine, 'readable'>
  /** Where acknowledged segments go; absent = they are removed. */
  readonly archive?: string
  readonly log?: Log
  readonly meter?: IngestMeter
  /** How often the folder is looked at where nothing wakes us, in milliseconds. */
  readonly pollMs?: number
  /** An open segment is left alone until it was quiet for so long, in milliseconds. */
  readonly orphanMs?: number
}

export interface Ingest {
  status(): IngestStatus
  /** Settles when a look at the spool, begun after this call, finds nothing left to ingest; never, while it is stuck. */
  drained(): Promise<void>
  /** Lets the insert that runs end, or gives it up after a while. */
  stop(): Promise<void>
}

const pageSize = 5_000
/** Segments acknowledged together. */
const groupSize = 16
/** How long a running insert may go on after `stop`, in milliseconds. */
const graceMs = 5_000
/** While ClickHouse is away, at most one part in so many of the time is spent on looking. */
const restAfterLook = 20
/** Times of files are coarser than the clock, in milliseconds. */
const clockMs = 2_000
/** ClickHouse remembers 10,000 blocks for deduplication; a segment is rarely more than a few. */
const safelyRemembered = 2_000

export const startIngest = (options: IngestOptions): Ingest => {
  const ingester = new Ingester(options)
  const ended = ingester.run()
  return {
    status: () => ingester.status(),
    drained: () => ingester.drained(),
    stop: () => ingester.stop(ended),
  }
}

class Ingester {
  readonly #folder: string
  readonly #archive: string | undefined
  readonly #loader: Loader
  readonly #intake: Intake
  readonly #patience: Patience
  readonly #watch: SpoolWatch
  readonly #log: Log
  readonly #tally: Tally
  readonly #pollMs: number
  readonly #orphanMs: number
  readonly #startedAt = Date.now()
  /** Aborted at once on stop: ends waiting. */
  readonly #soft = new AbortController()
  /** Aborted after the grace: ends what runs. */
  readonly #hard = new AbortController()
  #drainers: (() => void)[] = []
  #lookedAt = 0
  #lookMs = 0

  constructor({ client, folder, local, archive, log, meter, pollMs = 1_000, orphanMs = 10_000 }: IngestOptions) {
    this.#folder = path.resolve(folder)
    this.#archive = archive === undefined ? undefined : path.resolve(archive)
    this.#log = log ?? silent
    this.#pollMs = pollMs
    this.#orphanMs = orphanMs
    this.#tally = new Tally(meter ?? unmetered)
    this.#patience = new Patience({
      log: this.#log,
      meter: meter ?? unmetered,
      signal: this.#soft.signal,
      // What waits grows meanwhile, and the status should say so; a look at very many segments costs time, though.
      afterPause: async () => {
        if (performance.now() - this.#lookedAt > this.#lookMs * restAfterLook) await this.#look()
      },
    })
    const readable = local?.readable.includes(this.#folder) === true && isInfilePath(this.#folder)
    this.#loader = new Loader(client, readable)
    this.#intake = new Intake({
      folder: this.#folder,
      loader: this.#loader,
      patience: this.#patience,
      log: this.#log,
      signal: this.#hard.signal,
    })
    this.#watch = new SpoolWatch(this.#folder)
  }

  status(): IngestStatus {
    return this.#tally.status(this.#stopping, this.#patience.trouble)
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#drainers.push(resolve)
      this.#watch.nudge()
    })
  }

  get #stopping(): boolean {
    return this.#soft.signal.aborted
  }

  async stop(ended: Promise<void>): Promise<void> {
    this.#soft.abort(stopped)
    const cut = setTimeout(() => this.#hard.abort(stopped), graceMs)
    await ended
    clearTimeout(cut)
    this.#watch.close()
  }

  /** Never rejects. */
  async run(): Promise<void> {
    for (let failures = 0; !this.#soft.signal.aborted;) {
      try {
        await this.#turn()
        failures = 0
      } catch (error) {
        if (this.#stopping) return
        failures += 1
        await this.#patience.suffer('broken', error, failures).catch(onlyStopped)
      }
    }
  }

  /** One look at the spool and what follows from it. */
  async #turn(): Promise<void> {
    const asked = this.#drainers.length
    const page = await this.#look()
    const recovered = await this.#recover(page)
    if (page.oldest.length > 0 || recovered) {
      for (let at = 0; at < page.oldest.length; at += groupSize) {
        await this.#group(page.oldest.slice(at, at + groupSize))
      }
      return
    }
    this.#patience.relax()
    for (const tell of this.#drainers.splice(0, asked)) tell()
    if (this.#drainers.length === 0) await this.#watch.change(this.#pollMs, this.#soft.signal)
  }

  async #look(): Promise<Page> {
    await mkdir(path.join(this.#folder, quarantineFolder), { recursive: true })
    if (this.#archive !== undefined) await mkdir(this.#archive, { recursive: true })
    const began = performance.now()
    const page = await readSpool(this.#folder, pageSize)
    this.#lookedAt = performance.now()
    this.#lookMs = this.#lookedAt - began
    this.#tally.seen(page.segments, page.bytes, page.oldest[0]?.writtenAt)
    return page
  }

  /** Seals what dead writers left open. @returns whether there was any */
  async #recover({ open }: Page): Promise<boolean> {
    let any = false
    for (const name of open) {
      const sealed = await sealOrphan(this.#folder, name, this.#orphanMs)
      if (!sealed) continue
      any = true
      this.#tally.recovered(sealed.name !== undefined, sealed.tornBytes > 0)
      this.#log.warn({ segment: name, torn_bytes: sealed.tornBytes }, 'segment of a dead worker sealed')
    }
    return any
  }

  /** Inserts some segments, records them together, removes them. */
  async #group(segments: readonly Waiting[]): Promise<void> {
    const finished = await this.#finishedBefore(segments)
    const progress: Progress[] = []
    for (const segment of segments) {
      if (finished.has(segment.name)) continue
      if (this.#stopping) break
      const started = performance.now()
      const done = await this.#intake.take(segment)
      if (!done) continue
      progress.push(done)
      this.#tally.ingested(done, segment.bytes, performance.now() - started)
    }
    if (progress.length > 0) await this.#patience.until(() => this.#loader.record(progress, this.#hard.signal))
    for (const name of [...finished, ...progress.map(({ segment }) => segment)]) {
      await dispose(this.#folder, name, this.#archive)
    }
    if (this.#stopping) throw stopped
  }

  /** Segments of an earlier life of this process that are in ClickHouse already. */
  async #finishedBefore(segments: readonly Waiting[]): Promise<Set<string>> {
    const before = this.#startedAt + clockMs
    const names = segments.filter(({ writtenAt }) => writtenAt <= before).map(({ name }) => name)
    if (names.length === 0) return new Set()
    const { signal } = this.#hard
    const known = await this.#patience.until(() => this.#loader.known(names, signal))
    const unknown = names.filter((name) => !known.has(name))
    if (unknown.length === 0) return known
    for (const { segment, rows, since } of await this.#patience.until(() => this.#loader.landed(unknown, signal))) {
      if (since < safelyRemembered) continue
      // ClickHouse no longer remembers the token: an insert now would double the rows.
      this.#log.warn({ segment, rows }, 'segment found in ClickHouse long after its insert; not inserted again')
      known.add(segment)
    }
    return known
  }
}

const onlyStopped = (error: unknown): void => {
  if (error !== stopped) throw error
}
