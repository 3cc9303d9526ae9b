// Migrations against a real engine, and the contract between the outcome record and its table.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

import { outcomeFields } from '@sluice/core/outcome/record'
import { connect } from '@sluice/sidecar/clickhouse/connect'
import { migrate, readMigrations, split } from '@sluice/sidecar/clickhouse/migrate'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'

import { runEngine, type Running } from '../engine/running'

let running: Running
let folder: string
const open: ClickHouseClient[] = []
beforeAll(async () => {
  running = await runEngine()
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-migrations-'))
})
afterEach(async () => {
  for (const client of open.splice(0)) await client.close()
})
afterAll(async () => {
  await running.end()
  await rm(folder, { recursive: true, force: true })
})

const opened = async (options: Parameters<typeof openClickHouse>[1] = {}): Promise<ClickHouseClient> => {
  const client = await openClickHouse({ engine: running.engine }, options)
  open.push(client)
  return client
}
const rows = async <T>(client: ClickHouseClient, query: string): Promise<T[]> =>
  (await client.query({ query, format: 'JSONEachRow' })).json<T>()

describe('the schema', () => {
  it('has the columns of the outcome record, and two of its own', async () => {
    const client = await opened()
    const columns = await rows<{ name: string; type: string }>(
      client,
      "SELECT name, type FROM system.columns WHERE database = 'sluice' AND table = 'outcomes' ORDER BY position",
    )
    const contract = Object.entries(outcomeFields).map(([name, { sql }]) => ({ name, type: sql }))
    expect(columns).toEqual([
      ...contract,
      { name: 'segment', type: 'LowCardinality(String)' },
      { name: 'ingested_at', type: "DateTime('UTC')" },
    ])
  })

  it('is made once; a second start changes nothing', async () => {
    const client = await opened({ database: 'twice' })
    expect(await migrate(client, { database: 'twice' })).toEqual([])
    const applied = await rows<{ name: string }>(client, 'SELECT name FROM schema_migrations ORDER BY number')
    const shipped = await readMigrations(path.resolve(__dirname, '../../../sidecar/migrations'))
    expect(applied.map(({ name }) => name)).toEqual(shipped.map(({ name }) => name))
  })

  it('is made by two at once', async () => {
    const both = await Promise.all([opened({ database: 'both' }), opened({ database: 'both' })])
    for (const client of both) expect(await rows(client, 'SELECT count() AS n FROM outcomes')).toEqual([{ n: '0' }])
  })

  it('keeps rows as long as it is told, and can be told otherwise', async () => {
    const ttl = async (client: ClickHouseClient): Promise<string[]> => {
      const query =
        "SELECT extract(engine_full, 'toIntervalDay\\\\((\\\\d+)\\\\)') AS days FROM system.tables WHERE database = 'kept' AND name IN ('outcomes', 'outcomes_1h') ORDER BY name"
      return (await rows<{ days: string }>(client, query)).map(({ days }) => days)
    }
    expect(await ttl(await opened({ database: 'kept', retention: { outcomes: 7 } }))).toEqual(['7', '730'])
    expect(await ttl(await opened({ database: 'kept', retention: { outcomes: 30, rollup: 400 } }))).toEqual([
      '30',
      '400',
    ])
    expect(await ttl(await opened({ database: 'kept', retention: { outcomes: 30, rollup: 400 } }))).toEqual([
      '30',
      '400',
    ])
  })
})

describe('migrations', () => {
  const run = async (database: string, files: Record<string, string>): Promise<string[]> => {
    const here = await mkdtemp(path.join(folder, 'm-'))
    for (const [name, sql] of Object.entries(files)) await writeFile(path.join(here, name), sql)
    const client = connect({ engine: running.engine }, database)
    open.push(client)
    await connect({ engine: running.engine }, 'default').command({
      query: `CREATE DATABASE IF NOT EXISTS ${database} ENGINE = Atomic`,
    })
    return migrate(client, { database, folder: here })
  }
  const one =
    "CREATE TABLE IF NOT EXISTS {{database}}.a (x String DEFAULT ';') ENGINE = {{replicated}}MergeTree ORDER BY x; -- and\nCREATE TABLE IF NOT EXISTS {{database}}.b (x String) ENGINE = MergeTree ORDER BY x SETTINGS {{deduplication}};"
  const two = 'ALTER TABLE {{database}}.a {{on_cluster}} ADD COLUMN IF NOT EXISTS y UInt8'

  it('are applied in order, each once', async () => {
    expect(await run('steps', { '0001_a.sql': one })).toEqual(['0001_a'])
    expect(await run('steps', { '0001_a.sql': one, '0002_b.sql': two })).toEqual(['0002_b'])
    expect(await run('steps', { '0001_a.sql': one, '0002_b.sql': two })).toEqual([])
  })

  it('refuse a file that is not what was applied', async () => {
    await run('changed', { '0001_a.sql': one })
    await expect(run('changed', { '0001_a.sql': `${one} ` })).rejects.toMatchObject({ code: 'SLUICE_SCHEMA_CHANGED' })
    expect(await run('changed', { '0001_a.sql': one.replaceAll('\n', '\r\n') })).toEqual([])
  })

  it('refuse a database that a newer version has migrated', async () => {
    await run('newer', { '0001_a.sql': one, '0002_b.sql': two })
    await expect(run('newer', { '0001_a.sql': one })).rejects.toMatchObject({
      code: 'SLUICE_SCHEMA_NEWER',
      message: expect.stringContaining('0002_b') as string,
    })
  })

  it('that failed half way are run again', async () => {
    await expect(run('half', { '0001_a.sql': `${one}\nSELECT nope` })).rejects.toThrow('nope')
    expect(await run('half', { '0001_a.sql': `${one}\nSELECT 1` })).toEqual(['0001_a'])
  })

  it('must be numbered without gaps', async () => {
    await expect(run('gaps', { '0001_a.sql': one, '0003_c.sql': two })).rejects.toThrow('0003_c.sql')
  })

  it('are split at semicolons that are none of a string, a name or a comment', () => {
    expect(split("a ';' ; -- ;\n b `;` /* ; */ c;;\n")).toEqual(["a ';'", 'b `;` /* ; */ c'])
  })

  it('that are shipped fill in for a replicated cluster too', async () => {
    const shipped = await readMigrations(path.resolve(__dirname, '../../../sidecar/migrations'))
    const places = new Set(shipped.flatMap(({ sql }) => [...sql.matchAll(/\{\{(\w+)\}\}/g)].map(([, place]) => place)))
    const known = [
      'database',
      'on_cluster',
      'replicated',
      'deduplication',
      'durability',
      'outcomes_days',
      'rollup_days',
      'segments_days',
    ]
    expect([...places].filter((place) => !known.includes(place ?? ''))).toEqual([])
  })
})

describe('the way to ClickHouse', () => {
  it('says when nobody answers', async () => {
    await expect(openClickHouse({ url: 'http://127.0.0.1:9' })).rejects.toMatchObject({
      code: 'SLUICE_CLICKHOUSE_AWAY',
    })
  })

  it('is a URL as well, with user, password and database in it', async () => {
    const { url, username, password } = running.engine
    const named = new URL(url)
    Object.assign(named, { username, password, pathname: '/byurl' })
    const client = await openClickHouse({ url: named.href })
    open.push(client)
    expect(await rows(client, 'SELECT currentDatabase() AS d')).toEqual([{ d: 'byurl' }])
  })
})
