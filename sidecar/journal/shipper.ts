// Brings a journal's lines into their table, in order, as long as it takes. Called after every append and by a timer;
// only one run at a time. ClickHouse away: the lines wait in the file.

import type { ClickHouseClient } from '@clickhouse/client'

import { messageOf } from '@sluice/core/errors'

import type { Log } from '../log'
import { Rounds } from '../rounds'
import type { Journal } from './journal'

export interface ShipperOptions {
  readonly journal: Journal
  readonly table: string
  /** Undefined while ClickHouse is away. */
  readonly client: () => ClickHouseClient | undefined
  readonly everyMs?: number
  readonly log: Log
}

const usualEveryMs = 5000

export class Shipper {
  private readonly rounds: Rounds

  constructor(private readonly options: ShipperOptions) {
    this.rounds = new Rounds(() => this.run(), options.everyMs ?? usualEveryMs)
    this.rounds.start()
  }

  /** Never rejects; settles when everything is shipped or ClickHouse has refused. */
  ship(): Promise<void> {
    return this.rounds.round()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  private async run(): Promise<void> {
    const { journal, table, client, log } = this.options
    try {
      for (let batch = await journal.next(); batch && !this.rounds.stopped; batch = await journal.next()) {
        const clickhouse = client()
        if (!clickhouse) return
        if (batch.rows.length > 0) await clickhouse.insert({ table, values: [...batch.rows], format: 'JSONEachRow' })
        await journal.shipped(batch.end)
      }
    } catch (error) {
      log.warn(
        { table, behind_bytes: journal.behind, error: messageOf(error) },
        'journal not shipped; tried again later',
      )
    }
  }
}
