// Brings the database to the schema of this version: numbered files, each applied once and never changed afterwards.
// Statements are idempotent, so a migration that was interrupted is simply run again. It refuses a database that a
// newer version has migrated, and a file that is not what was applied.

import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'
import { SluiceError } from '@sluice/core/errors'

import { packageFolder } from '../asset'
import { silent, type Log } from '../log'
import { identifier, tokens } from '../sql/tokens'
import { fill } from './shipped'

export interface SchemaOptions {
  readonly database: string
  /** Create everything on this cluster, replicated. */
  readonly cluster?: string
  /** Replicated tables without ON CLUSTER (a Replicated database, or one replica at a time). */
  readonly replicated?: boolean
  readonly retention?: Partial<Retention>
  readonly log?: Log
  /** Folder of other migrations than the shipped ones. */
  readonly folder?: string
}

/** How long rows are kept, in days. */
export interface Retention {
  readonly outcomes: number
  readonly rollup: number
  readonly segments: number
}

export const usualRetention: Retention = { outcomes: 90, rollup: 730, segments: 180 }

interface Migration {
  readonly number: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

const form = /^(\d{4})_([a-z0-9_]+)\.sql$/

/** @throws SluiceError SLUICE_SCHEMA_NEWER, SLUICE_SCHEMA_CHANGED @returns names of what was applied now */
export const migrate = async (client: ClickHouseClient, options: SchemaOptions): Promise<string[]> => {
  const log = options.log ?? silent
  const places = placesOf(options)
  const shipped = await readMigrations(options.folder ?? path.join(packageFolder, 'migrations'))
  await client.command({ query: fill(ledger, places) })
  const applied = await readApplied(client)
  check(shipped, applied)

  const now: string[] = []
  for (const migration of shipped.filter(({ number }) => !applied.has(number))) {
    for (const statement of split(fill(migration.sql, places))) await client.command({ query: statement })
    const { number, name, checksum } = migration
    await client.insert({ table: 'schema_migrations', values: [{ number, name, checksum }], format: 'JSONEachRow' })
    log.info({ migration: name }, 'database migrated')
    now.push(name)
  }
  return now
}

/** The table that remembers; the only one that no migration makes. */
const ledger = `CREATE TABLE IF NOT EXISTS {{database}}.schema_migrations {{on_cluster}}
  (number UInt32, name String, checksum String, applied_at DateTime('UTC') DEFAULT now())
  ENGINE = {{replicated}}MergeTree ORDER BY number`

const placesOf = ({ database, cluster, replicated = cluster !== undefined, retention }: SchemaOptions) => {
  const days = { ...usualRetention, ...retention }
  const only = replicated ? '0' : '1'
  return {
    database: identifier(database),
    on_cluster: cluster === undefined ? '' : `ON CLUSTER ${identifier(cluster)}`,
    replicated: replicated ? 'Replicated' : '',
    deduplication: replicated
      ? 'replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800'
      : 'non_replicated_deduplication_window = 10000',
    // A segment is removed when its rows are acknowledged: where this is the only copy, it must outlive a power cut.
    durability: `fsync_after_insert = ${only}, fsync_part_directory = ${only}`,
    outcomes_days: String(days.outcomes),
    rollup_days: String(days.rollup),
    segments_days: String(days.segments),
  }
}

/** The files in order. @throws Error where two have one number or one is missing between */
export const readMigrations = async (folder: string): Promise<Migration[]> => {
  const names = (await readdir(folder)).filter((name) => form.test(name)).sort()
  return Promise.all(
    names.map(async (file, at) => {
      const number = Number(file.slice(0, 4))
      if (number !== at + 1) throw new Error(`migrations are not numbered 1, 2, 3, …: ${file}`)
      const sql = (await readFile(path.join(folder, file), 'utf8')).replaceAll('\r\n', '\n')
      return { number, name: file.replace(/\.sql$/, ''), sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

type Applied = ReadonlyMap<number, { readonly name: string; readonly checksum: string }>

const readApplied = async (client: ClickHouseClient): Promise<Applied> => {
  const answer = await client.query({
    query: 'SELECT DISTINCT number, name, checksum FROM schema_migrations ORDER BY number',
    format: 'JSONEachRow',
  })
  const rows = await answer.json<{ number: number; name: string; checksum: string }>()
  return new Map(rows.map(({ number, name, checksum }) => [number, { name, checksum }]))
}

const check = (shipped: readonly Migration[], applied: Applied): void => {
  const newest = Math.max(0, ...applied.keys())
  if (newest > shipped.length) {
    const message = `the database has migration ${newest} (${applied.get(newest)?.name ?? ''}), this version knows ${shipped.length}`
    throw new SluiceError('SLUICE_SCHEMA_NEWER', message)
  }
  for (const { number, name, checksum } of shipped) {
    const was = applied.get(number)
    if (was && was.checksum !== checksum) {
      throw new SluiceError('SLUICE_SCHEMA_CHANGED', `migration ${name} is not the ${was.name} that was applied`)
    }
  }
}

/** The statements of a file; semicolons in strings and comments do not count. */
export const split = (sql: string): string[] => {
  const statements: string[] = []
  let start: number | undefined
  let end = 0
  for (const token of tokens(sql)) {
    if (token.text === ';') {
      if (start !== undefined) statements.push(sql.slice(start, end))
      start = undefined
    } else {
      start ??= token.start
      end = token.end
    }
  }
  if (start !== undefined) statements.push(sql.slice(start, end))
  return statements
}
