// Trying until it works. An attempt fails because of the content or the file system (the caller's to handle), because
// ClickHouse does not answer, or because it refuses for another reason; the last two are said once, counted, and waited
// out with growing, uneven pauses. Told to stop, it throws `stopped`.

import { ClickHouseError } from '@clickhouse/client'
import { messageOf } from '@sluice/core/errors'

import type { Log } from '../log'
import type { IngestMeter, IngestState, Trouble } from './status'
import { isContentFault, isEmptyFile, isFileFault } from './verdict'

/** Thrown through the loop when the ingester is told to stop. */
export const stopped = new Error('the ingester is stopping')

const backOff = { firstMs: 200, longestMs: 15_000 }

export type TroubleState = Extract<IngestState, 'away' | 'refused' | 'broken'>

export interface PatienceParts {
  readonly log: Log
  readonly meter: IngestMeter
  /** Aborted when the ingester is to stop. */
  readonly signal: AbortSignal
  readonly afterPause: () => Promise<void>
}

export class Patience {
  readonly #parts: PatienceParts
  #trouble: (Trouble & { readonly state: TroubleState }) | undefined

  constructor(parts: PatienceParts) {
    this.#parts = parts
  }

  /** What it is waiting out, if anything. */
  get trouble(): (Trouble & { readonly state: TroubleState }) | undefined {
    return this.#trouble
  }

  /** Repeats until ClickHouse has done it. @throws what the content or a file is to blame for; `stopped` */
  async until<T>(attempt: () => Promise<T>, segment?: string): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      try {
        const result = await attempt()
        this.relax()
        return result
      } catch (error) {
        if (this.#parts.signal.aborted) throw stopped
        if (isFileFault(error)) throw error
        if (isContentFault(error) || isEmptyFile(error)) {
          this.relax()
          throw error
        }
        await this.suffer(error instanceof ClickHouseError ? 'refused' : 'away', error, failures, segment)
      }
    }
  }

  relax(): void {
    if (!this.#trouble) return
    this.#parts.log.info({ after_ms: Date.now() - this.#trouble.since }, 'ingestion goes on')
    this.#trouble = undefined
  }

  /** Says so and pauses: longer each time, not in step with other hosts. @throws `stopped` */
  async suffer(state: TroubleState, error: unknown, failures: number, segment?: string): Promise<void> {
    const { log, meter, signal, afterPause } = this.#parts
    const message = messageOf(error)
    const since = this.#trouble?.since ?? Date.now()
    this.#trouble = { state, since, attempts: failures, message, ...(segment !== undefined && { segment }) }
    meter.failed(state)
    const ceiling = Math.min(backOff.firstMs * 2 ** (failures - 1), backOff.longestMs)
    const pauseMs = Math.round(ceiling * (0.5 + Math.random() / 2))
    const level = failures === 1 ? 'warn' : 'debug'
    log[level]({ state, segment, err: error, again_ms: pauseMs }, 'ingestion waits')
    await pause(pauseMs, signal)
    if (signal.aborted) throw stopped
    if (state !== 'broken') await afterPause()
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
