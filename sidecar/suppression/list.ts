// The suppression list as operators see and change it. A change is made in Redis, where the workers ask, and journalled
// for ClickHouse; who made it and why is audited. Releasing leaves a mark, so that what happened before does not
// suppress again.

import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'

import type { ClickHouseClient } from '@clickhouse/client'

import { SluiceError } from '@sluice/core/errors'
import { listedName, type Discretion } from '@sluice/core/outcome/recipient'
import { columnsOf, CsvRecords, entryOf, plainColumns, type ListedSuppression } from '@sluice/core/suppression/csv'
import { sayScope, type Suppression, type SuppressionScope } from '@sluice/core/suppression/entry'

import type { Asker } from '../changes/trail'
import { authorsOf, pages, record, rowOf, type LedgerRow } from './ledger'
import type { SuppressionStore } from './store'

export interface SuppressionListOptions {
  readonly store: SuppressionStore
  /** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
  readonly client: () => ClickHouseClient
  readonly discretion: () => Discretion
  /** Rows for the table `suppressions`; on disk when it settles. */
  readonly journal: (row: LedgerRow) => Promise<boolean>
  /** Rows for the table `audit`. */
  readonly audit: (row: Readonly<Record<string, unknown>>) => Promise<unknown>
  readonly now?: () => number
}

export interface Imported {
  readonly read: number
  /** Listed now that were not, or not for as long. */
  readonly listed: number
  readonly refused: number
  /** The first of what was refused. */
  readonly complaints: readonly { readonly line: number; readonly says: string }[]
}

const minuteMs = 60_000
/** A release is remembered as long as outcomes usually are. */
const releaseMs = 90 * 86_400_000
const together = 5000
const mostComplaints = 20

export class SuppressionList {
  private readonly now: () => number

  constructor(private readonly options: SuppressionListOptions) {
    this.now = options.now ?? Date.now
  }

  /**
   * What holds for an address, in every scope; with who listed it where ClickHouse says so.
   * @throws SluiceError SLUICE_REDIS_AWAY
   */
  async of(address: string): Promise<ListedSuppression[]> {
    const name = this.nameOf(address)
    const now = this.now()
    const entries = (await this.options.store.of(name)).filter(
      ({ reason, until }) => reason !== 'released' && (until === undefined || until > now),
    )
    if (entries.length === 0) return []
    const authors = await this.authorsOf(name)
    return entries.map((entry) => ({
      ...entry,
      ...(authors.get(sayScope(entry.scope)) ?? { author: '', note: '' }),
    }))
  }

  /** @throws SluiceError SLUICE_REDIS_AWAY, SLUICE_JOURNAL */
  async add(asker: Asker, address: string, scope: SuppressionScope, until?: number): Promise<Suppression> {
    const entry: Suppression = {
      address: this.nameOf(address),
      scope,
      reason: 'operator',
      evidence: '',
      since: this.now(),
      ...(until !== undefined && { until }),
    }
    await this.make('suppress', asker, entry)
    return entry
  }

  /** @throws SluiceError SLUICE_HTTP_NOT_FOUND, SLUICE_REDIS_AWAY, SLUICE_JOURNAL */
  async release(asker: Asker, address: string, scope: SuppressionScope): Promise<Suppression> {
    const known = (await this.of(address)).find((one) => sayScope(one.scope) === sayScope(scope))
    if (!known) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `${address} is not suppressed (${sayScope(scope)})`)
    // Times are kept to the minute: what happened within this one came before.
    const since = Math.ceil(this.now() / minuteMs) * minuteMs
    const { address: name } = known
    await this.make('release', asker, {
      address: name,
      scope,
      reason: 'released',
      evidence: '',
      since,
      until: since + releaseMs,
    })
    return known
  }

  /**
   * Reads CSV as it comes and lists what is good in it.
   * @throws SluiceError SLUICE_REDIS_AWAY, SLUICE_CLICKHOUSE_AWAY: what was read before is listed, and may come again
   */
  async import(asker: Asker, scope: SuppressionScope, text: AsyncIterable<Buffer | string>): Promise<Imported> {
    const client = this.options.client()
    const reader = new CsvRecords()
    const decoder = new TextDecoder()
    const now = this.now()
    const defaults = { scope, now, author: asker.author, note: asker.reason }
    const complaints: { line: number; says: string }[] = []
    let order: ReturnType<typeof columnsOf>
    let [line, read, refused, listed] = [0, 0, 0, 0]
    let waiting: ListedSuppression[] = []
    const take = (records: readonly string[][]): void => {
      for (const fields of records) {
        line++
        if (fields.every((value) => value === '')) continue
        if (line === 1) order = columnsOf(fields)
        if (line === 1 && order) continue
        read++
        const entry = entryOf(fields, order ?? plainColumns, defaults)
        if (typeof entry === 'object') waiting.push({ ...entry, address: this.nameOf(entry.address) })
        else if (++refused <= mostComplaints) complaints.push({ line, says: entry })
      }
    }
    const put = async (): Promise<void> => {
      const standing = new Set(await this.options.store.put(waiting, now))
      const rows = waiting.filter((one) => standing.has(one)).map((one) => rowOf(one, one, now))
      await record(client, rows)
      listed += rows.length
      waiting = []
    }
    try {
      for await (const piece of text) {
        take(reader.push(typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true })))
        if (waiting.length >= together) await put()
      }
      take(reader.end())
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      complaints.push({ line: line + 1, says: error.message })
      refused++
    }
    await put()
    await this.audited('import', asker, { scope: sayScope(scope), read, listed, refused })
    return { read, listed, refused, complaints }
  }

  /** Everything that holds, page by page. @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
  all(reason: string, signal?: AbortSignal): AsyncGenerator<ListedSuppression[]> {
    return pages(this.options.client(), { now: this.now(), reason, limit: 10_000 }, signal)
  }

  /** The name under which an address is listed; a hash from an export stays one. */
  private nameOf(address: string): string {
    return address.includes('@') ? listedName(address, this.options.discretion()) : address.trim().toLowerCase()
  }

  private async authorsOf(name: string): Promise<Map<string, { author: string; note: string }>> {
    try {
      return await authorsOf(this.options.client(), name)
    } catch (error) {
      // Who listed it is told where it can be; that it is listed matters more.
      if (error instanceof SluiceError && error.code === 'SLUICE_CLICKHOUSE_AWAY') return new Map()
      throw error
    }
  }

  private async make(action: 'suppress' | 'release', asker: Asker, entry: Suppression): Promise<void> {
    const { store, journal } = this.options
    const now = this.now()
    await store.put([entry], now)
    const taken = await journal(rowOf(entry, { author: asker.author, note: asker.reason }, now))
    if (!taken) throw new SluiceError('SLUICE_JOURNAL', 'it holds in Redis, but the journal for ClickHouse is full')
    const { address, scope, until } = entry
    await this.audited(action, asker, { address, scope: sayScope(scope), ...(until !== undefined && { until }) })
  }

  private async audited(action: string, asker: Asker, details: object): Promise<void> {
    await this.options.audit({
      id: randomUUID(),
      at: this.now(),
      action,
      ...asker,
      revision: 2,
      state: 'done',
      details: JSON.stringify(details),
      host: hostname(),
    })
  }
}
