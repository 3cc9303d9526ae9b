// What the ingester knows of itself: for /status, readiness and metrics.

export type IngestState =
  /** Nothing waits. */
  | 'idle'
  | 'ingesting'
  /** ClickHouse does not answer; the spool grows, nothing is lost. */
  | 'away'
  /** ClickHouse answers, but refuses for a reason that is not in the lines (schema, disk, rights). */
  | 'refused'
  /** The spool folder cannot be read or written. */
  | 'broken'
  | 'stopped'

export interface IngestStatus {
  readonly state: IngestState
  /** Sealed segments at the last look. */
  readonly waiting: {
    readonly segments: number
    readonly bytes: number
    /** When the oldest was written, ms since 1970. */
    readonly oldest_at?: number
  }
  /** Since this process started. */
  readonly done: {
    readonly segments: number
    readonly lines: number
    readonly bytes: number
    readonly quarantined_lines: number
    readonly torn_lines: number
    readonly recovered_segments: number
  }
  readonly last_ingested_at?: number
  /** Where it is in trouble now. */
  readonly trouble?: Trouble
}

export interface Trouble {
  readonly since: number
  readonly attempts: number
  readonly message: string
  readonly segment?: string
}

/** Told of everything that is counted; the metrics module implements it. */
export interface IngestMeter {
  /** @param ms time of the insert */
  ingested(lines: number, bytes: number, ms: number): void
  quarantined(lines: number): void
  torn(lines: number): void
  failed(state: 'away' | 'refused' | 'broken'): void
  waiting(segments: number, bytes: number): void
}

export const unmetered: IngestMeter = {
  ingested: () => {},
  quarantined: () => {},
  torn: () => {},
  failed: () => {},
  waiting: () => {},
}

/** Keeps the figures of the status. */
export class Tally {
  readonly #meter: IngestMeter
  #waiting: IngestStatus['waiting'] = { segments: 0, bytes: 0 }
  #lastAt: number | undefined
  readonly #done = { segments: 0, lines: 0, bytes: 0, quarantined_lines: 0, torn_lines: 0, recovered_segments: 0 }

  constructor(meter: IngestMeter) {
    this.#meter = meter
  }

  /** What a look at the spool found. */
  seen(segments: number, bytes: number, oldestAt: number | undefined): void {
    this.#waiting = { segments, bytes, ...(oldestAt !== undefined && { oldest_at: oldestAt }) }
    this.#meter.waiting(segments, bytes)
  }

  /** @param size of the segment's file @param ms the insert took */
  ingested(counts: { lines: number; bytes: number; quarantined: number }, size: number, ms: number): void {
    this.#done.segments += 1
    this.#done.lines += counts.lines
    this.#done.bytes += counts.bytes
    this.#done.quarantined_lines += counts.quarantined
    const { segments, bytes } = this.#waiting
    this.#waiting = { ...this.#waiting, segments: Math.max(0, segments - 1), bytes: Math.max(0, bytes - size) }
    this.#lastAt = Date.now()
    this.#meter.ingested(counts.lines, counts.bytes, ms)
    if (counts.quarantined > 0) this.#meter.quarantined(counts.quarantined)
  }

  recovered(segment: boolean, torn: boolean): void {
    if (segment) this.#done.recovered_segments += 1
    if (!torn) return
    this.#done.torn_lines += 1
    this.#meter.torn(1)
  }

  status(isStopped: boolean, trouble: (Trouble & { readonly state: IngestState }) | undefined): IngestStatus {
    const working: IngestState = this.#waiting.segments > 0 ? 'ingesting' : 'idle'
    const { state = working, ...rest } = trouble ?? {}
    return {
      state: isStopped ? 'stopped' : state,
      waiting: this.#waiting,
      done: { ...this.#done },
      ...(this.#lastAt !== undefined && { last_ingested_at: this.#lastAt }),
      ...(trouble && { trouble: rest as Trouble }),
    }
  }
}
