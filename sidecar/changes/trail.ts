// The trail of a change in the audit: written before it is made and again when it is known what became of it, so none
// is ever made without a trace, whatever is away.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

import { messageOf, SluiceError } from '@sluice/core/errors'

import type { Log } from '../log'

/** Who asks, and why. */
export interface Asker {
  readonly author: string
  readonly reason: string
  /** Name of the token used. */
  readonly token: string
  readonly request_id: string
}

export interface AskedChange {
  readonly action: string
  readonly pool?: string | undefined
  readonly provider?: string | undefined
  readonly source?: string | undefined
  readonly details: object
}

export interface TrailOptions {
  /** Writes one row of the audit table; rejects where it cannot. */
  readonly record: (row: Readonly<Record<string, unknown>>) => Promise<unknown>
  readonly log: Log
  readonly now?: () => number
}

export class Trail {
  private readonly now: () => number

  constructor(private readonly options: TrailOptions) {
    this.now = options.now ?? Date.now
  }

  /**
   * Makes a change; `versionOf` its outcome is the version of the routing document that has it, 0 = another document;
   * `learned` are details that are known only when it is made.
   * @throws SluiceError SLUICE_JOURNAL where it cannot be written down: nothing was changed; and what `work` throws
   */
  async make<T>(
    asker: Asker,
    { action, pool = '', provider = '', source = '', details }: AskedChange,
    work: () => Promise<T>,
    versionOf: (made: T) => number = () => 0,
    learned?: (made: T) => object,
  ): Promise<T> {
    const row = {
      id: randomUUID(),
      at: this.now(),
      action,
      ...asker,
      pool,
      provider,
      source,
      details: JSON.stringify(details),
      host: hostname(),
    }
    await this.asked(row)
    try {
      const made = await work()
      const more = learned ? { details: JSON.stringify({ ...details, ...learned(made) }) } : {}
      await this.settled({ ...row, ...more, revision: 2, state: 'done', routing_version: versionOf(made) })
      return made
    } catch (error) {
      await this.settled({ ...row, revision: 2, state: 'failed', error: messageOf(error) })
      throw error
    }
  }

  private async asked(row: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await this.options.record({ ...row, revision: 1, state: 'asked' })
    } catch (cause) {
      throw new SluiceError('SLUICE_JOURNAL', messageOf(cause), { cause })
    }
  }

  /** The change is made, or not: a full disk now must not make its answer a lie. */
  private async settled(row: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await this.options.record(row)
    } catch (error) {
      this.options.log.error({ ...row, error_of_journal: messageOf(error) }, 'what became of a change is not recorded')
    }
  }
}
