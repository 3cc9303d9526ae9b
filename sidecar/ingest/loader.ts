// Puts one file of lines into ClickHouse, exactly once. The same bytes, the same settings and the same token every
// time: ClickHouse then recognises a repeated insert, in the table and in what its views feed, and drops it. One file
// is one block, without which that does not hold; see docs/clickhouse.md.

import { createReadStream } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

import type { ClickHouseClient } from '@clickhouse/client'
import { outcomeFields } from '@sluice/core/outcome/record'

import { query } from '../clickhouse/shipped'
import { identifier, literal } from '../sql/tokens'

/** One block of at most so much; a file is far smaller. */
const blockRows = 1_048_449
const blockBytes = 268_402_944

const settings = (token: string) => ({
  async_insert: 0 as const,
  insert_deduplicate: 1 as const,
  insert_deduplication_token: token,
  deduplicate_blocks_in_dependent_materialized_views: 1 as const,
  input_format_parallel_parsing: 0 as const,
  input_format_skip_unknown_fields: 1 as const,
  input_format_null_as_default: 1 as const,
  date_time_input_format: 'best_effort' as const,
  max_insert_block_size: String(blockRows),
  min_insert_block_size_rows: String(blockRows),
  min_insert_block_size_bytes: String(blockBytes),
  // A segment may hold lines of many days; each day is a partition.
  max_partitions_per_insert_block: '0',
})

const columns = Object.keys(outcomeFields).map(identifier).join(', ')
const structure = literal(
  Object.entries(outcomeFields)
    .map(([name, { sql }]) => `${identifier(name)} ${sql}`)
    .join(', '),
)

export interface Progress {
  readonly segment: string
  readonly lines: number
  readonly bytes: number
  readonly quarantined: number
}

export interface Landed {
  readonly segment: string
  readonly rows: number
  /** Segments recorded since its rows came. */
  readonly since: number
}

export class Loader {
  readonly #client: ClickHouseClient
  readonly #infile: boolean

  /** @param infile ClickHouse may read the spool itself: the embedded engine of this host */
  constructor(client: ClickHouseClient, infile: boolean) {
    this.#client = client
    this.#infile = infile
  }

  /** Inserts a file of lines under `token`. @throws ClickHouseError where it is refused, Error where nobody answers */
  async insert(file: string, token: string, signal: AbortSignal): Promise<void> {
    const common = { clickhouse_settings: settings(token), abort_signal: signal }
    if (this.#infile) {
      const infile = `FROM INFILE ${literal(path.resolve(file))}`
      await this.#client.command({ ...common, query: query('insert_outcomes', { columns, infile }) })
      return
    }
    const values = createReadStream(file, { highWaterMark: 256 * 1024 })
    try {
      const { stream } = await this.#client.exec({
        ...common,
        query: query('insert_outcomes', { columns, infile: '' }),
        values,
      })
      await text(stream)
    } finally {
      values.destroy()
    }
  }

  /** Parses lines as an insert would, and keeps nothing. @throws ClickHouseError where they are refused */
  async rehearse(lines: Buffer, signal: AbortSignal): Promise<void> {
    const { stream } = await this.#client.exec({
      query: query('insert_nowhere', { structure }),
      clickhouse_settings: settings(''),
      abort_signal: signal,
      values: Readable.from([lines]),
    })
    await text(stream)
  }

  async record(progress: readonly Progress[], signal: AbortSignal): Promise<void> {
    const lines = progress.map((each) => `${JSON.stringify(each)}\n`).join('')
    const { stream } = await this.#client.exec({
      query: query('insert_segments'),
      clickhouse_settings: settings(''),
      abort_signal: signal,
      values: Readable.from([Buffer.from(lines)]),
    })
    await text(stream)
  }

  /** Those of `segments` that are recorded as ingested. */
  async known(segments: readonly string[], signal: AbortSignal): Promise<Set<string>> {
    const rows = await this.#rows<{ segment: string }>('segments_known', { segments }, signal)
    return new Set(rows.map(({ segment }) => segment))
  }

  /** Those of `segments` that have rows, recorded or not. */
  async landed(segments: readonly string[], signal: AbortSignal): Promise<Landed[]> {
    interface Row {
      segment: string
      rows: string
      landed_at: string
    }
    const landed = await this.#rows<Row>('segments_landed', { segments }, signal)
    const answers: Landed[] = []
    for (const { segment, rows, landed_at } of landed) {
      const [later] = await this.#rows<{ segments: string }>('segments_since', { since: landed_at }, signal)
      answers.push({ segment, rows: Number(rows), since: Number(later?.segments) })
    }
    return answers
  }

  async #rows<T>(name: string, params: Record<string, unknown>, signal: AbortSignal): Promise<T[]> {
    const answer = await this.#client.query({
      query: query(name),
      query_params: params,
      format: 'JSONEachRow',
      abort_signal: signal,
    })
    return answer.json<T>()
  }
}
