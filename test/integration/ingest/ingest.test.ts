// Segments into a real engine: what goes in once comes out once, whatever is wrong on the way.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import type { AddressInfo } from 'node:net'

import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { segmentName } from '@sluice/core/spool/segment'
import { connect } from '@sluice/sidecar/clickhouse/connect'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { startIngest, type Ingest, type IngestOptions } from '@sluice/sidecar/ingest/ingester'

import { eventually, runEngine, type Running } from '../engine/running'
import { counts, outcome, seal, sealedName } from './segments'

let running: Running
let base: string
let folder: string
let client: ClickHouseClient
let number = 0
const ingests: Ingest[] = []

beforeAll(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'sluice-ingest-'))
  running = await runEngine({ readable: Array.from({ length: 40 }, (_, at) => path.join(base, `spool-${at}`)) })
})
beforeEach(async () => {
  folder = path.join(base, `spool-${(number += 1)}`)
  client = await openClickHouse({ engine: running.engine }, { database: `ingest_${number}` })
})
afterEach(async () => {
  for (const ingest of ingests.splice(0)) await ingest.stop()
  await client.close()
})
afterAll(async () => {
  await running.end()
  await rm(base, { recursive: true, force: true })
})

const start = (more: Partial<IngestOptions> = {}): Ingest => {
  const ingest = startIngest({ client, folder, local: running.engine, pollMs: 50, ...more })
  ingests.push(ingest)
  return ingest
}
const sealedLeft = async (): Promise<string[]> => (await readdir(folder)).filter((name) => name.endsWith('.ndjson'))
const rows = async <T>(query: string): Promise<T[]> => (await client.query({ query, format: 'JSONEachRow' })).json<T>()

describe.each([
  ['read by the engine itself', true],
  ['streamed as to a server', false],
])('segments %s', (_, local) => {
  const ways = local ? {} : { local: { readable: [] } }

  it('are in ClickHouse once, with every field as it was', async () => {
    const record = outcome({
      reply: '250 "quoted" \\ é漢\n250 b',
      propensity: 0.25,
      routing_version: 12,
      tls: 'TLSv1.3',
      size: 4_000_000_000,
    })
    await seal(folder, [record, ...Array.from({ length: 999 }, () => outcome())])
    const ingest = start(ways)
    await ingest.drained()
    expect(await counts(client)).toEqual({ rows: 1000, ids: 1000, rollup: 1000, segments: 1 })
    const [row] = await rows<Record<string, unknown>>(
      `SELECT *, toUnixTimestamp64Milli(at) AS at FROM outcomes WHERE id = '${record.id}'`,
    )
    expect(row).toMatchObject({ ...record, at: String(record.at), routing_version: '12' })
    expect(row?.['segment']).toMatch(/^elsewhere-1-/)
    expect(await sealedLeft()).toEqual([])
    expect(ingest.status()).toMatchObject({
      state: 'idle',
      waiting: { segments: 0 },
      done: { segments: 1, lines: 1000 },
    })
  })

  it('are ingested in order of age', async () => {
    const names = await Promise.all(
      [5, 3, 9, 1].map((at) => seal(folder, [outcome({ host: String(at) })], sealedName(10_000 + at))),
    )
    for (const [index, name] of names.entries()) await utimes(path.join(folder, name), 1_000 - index, 1_000 - index)
    const tokens: unknown[] = []
    const told = watched(client, (token) => tokens.push(token))
    await start({ ...ways, client: told }).drained()
    expect(tokens).toEqual([...names].reverse())
  })

  it('that come again under the same name are not inserted again', async () => {
    const lines = Array.from({ length: 50 }, () => outcome())
    const name = sealedName()
    for (let time = 0; time < 3; time += 1) {
      await seal(folder, lines, name)
      const ingest = start(ways)
      await ingest.drained()
      await ingest.stop()
    }
    expect(await counts(client)).toEqual({ rows: 50, ids: 50, rollup: 50, segments: 1 })
  })

  it('may span days, and be older than the process', async () => {
    const day = 86_400_000
    await seal(
      folder,
      Array.from({ length: 150 }, (__, at) => outcome({ at: Date.now() - (at % 60) * day })),
    )
    await start(ways).drained()
    expect(await counts(client)).toMatchObject({ rows: 150, rollup: 150 })
  })

  it('with lines that ClickHouse refuses are ingested without these, and the next ones too', async () => {
    const good = Array.from({ length: 30 }, () => outcome())
    const name = await seal(folder, [
      ...good.slice(0, 10),
      'garbage',
      ...good.slice(10, 20),
      JSON.stringify({ ...outcome(), id: 'not a uuid' }),
      JSON.stringify({ kind: 'delivered' }),
      '\u0000\u0000',
      ...good.slice(20).map((each) => JSON.stringify({ ...each, field_of_tomorrow: [1, { a: 2 }] })),
    ])
    await seal(folder, [outcome()])
    const ingest = start(ways)
    await ingest.drained()
    expect(await counts(client)).toEqual({ rows: 31, ids: 31, rollup: 31, segments: 2 })
    const aside = (await readFile(path.join(folder, 'quarantine', name), 'utf8')).trim().split('\n')
    expect(aside.map((line) => (JSON.parse(line) as { line: number }).line)).toEqual([11, 22, 23, 24])
    expect(ingest.status().done).toMatchObject({ segments: 2, lines: 31, quarantined_lines: 4 })
    expect(await sealedLeft()).toEqual([])
    expect(await rows(`SELECT lines, quarantined FROM segments FINAL WHERE segment = '${name}'`)).toEqual([
      { lines: '30', quarantined: '4' },
    ])
    // Found again after a crash: the same split, the same token.
    await seal(folder, [...good.slice(0, 10), 'garbage', ...good.slice(10)], name)
    await client.command({ query: 'TRUNCATE TABLE segments' })
    await start(ways).drained()
    expect(await counts(client)).toMatchObject({ rows: 31, ids: 31, rollup: 31 })
  })

  it('with nothing in them, or nothing good, are gone', async () => {
    await seal(folder, [])
    await seal(folder, ['', '  '])
    await seal(folder, ['x', 'y'])
    const ingest = start(ways)
    await ingest.drained()
    expect(await sealedLeft()).toEqual([])
    expect(await counts(client)).toMatchObject({ rows: 0 })
    expect(ingest.status().done.quarantined_lines).toBe(2)
  })
})

describe('after a crash', () => {
  it('between the insert and its record, nothing is doubled', async () => {
    const lines = Array.from({ length: 20 }, () => outcome())
    const name = await seal(folder, lines)
    await start().drained()
    await client.command({ query: 'TRUNCATE TABLE segments' })
    await seal(folder, lines, name)
    await start().drained()
    expect(await counts(client)).toEqual({ rows: 20, ids: 20, rollup: 20, segments: 1 })
  })

  it('between the record and the removal, it is removed without an insert', async () => {
    const name = await seal(folder, [outcome()])
    await start().drained()
    // Not even the token is needed then.
    await client.command({ query: 'TRUNCATE TABLE outcomes' })
    await seal(folder, [outcome()], name)
    await start().drained()
    expect(await counts(client)).toMatchObject({ rows: 0, segments: 1 })
    expect(await sealedLeft()).toEqual([])
  })

  it('long ago, when ClickHouse has forgotten the token, rows are not doubled', async () => {
    const lines = [outcome(), outcome()]
    const name = await seal(folder, lines)
    await start().drained()
    await client.command({ query: 'TRUNCATE TABLE segments' })
    await client.command({
      query: 'INSERT INTO segments (segment, ingested_at) SELECT toString(number), now64(3) + 1000 FROM numbers(2500)',
    })
    // A table that forgot: the same rows, no memory of their insert.
    await client.command({ query: 'ALTER TABLE outcomes MODIFY SETTING non_replicated_deduplication_window = 0' })
    await seal(folder, lines, name)
    await start().drained()
    expect(await counts(client)).toMatchObject({ rows: 2, ids: 2 })
    expect(await sealedLeft()).toEqual([])
  })

  it('of a worker, its open segment is sealed and its torn line set aside', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    const name = segmentName({
      host: hostname(),
      worker: String(child.pid),
      started: Date.now(),
      sequence: 1,
      sealed: false,
    })
    await mkdir(folder, { recursive: true })
    await writeFile(path.join(folder, name), `${JSON.stringify(outcome())}\n${JSON.stringify(outcome()).slice(0, 50)}`)
    const alive = segmentName({
      host: hostname(),
      worker: String(process.pid),
      started: Date.now(),
      sequence: 1,
      sealed: false,
    })
    await writeFile(path.join(folder, alive), `${JSON.stringify(outcome())}\n`)
    const ingest = start({ orphanMs: 0 })
    await eventually(() => ingest.status().done.lines === 1)
    await ingest.drained()
    expect(ingest.status().done).toMatchObject({ recovered_segments: 1, torn_lines: 1 })
    expect((await readdir(folder)).sort()).toEqual([alive, name.replace('.open', '.torn'), 'quarantine'].sort())
  })
})

describe('while ClickHouse is away', () => {
  it('everything waits in order, the status says so, and goes on by itself', async () => {
    const { url, username, password } = running.engine
    let away = true
    const gate = http.createServer((request, response) => {
      if (away) {
        request.socket.destroy()
        return
      }
      const forward = http.request(
        `${url}${request.url ?? ''}`,
        { method: request.method, headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers)
          answer.pipe(response)
        },
      )
      request.pipe(forward)
    })
    gate.listen(0, '127.0.0.1')
    await once(gate, 'listening')
    const port = (gate.address() as AddressInfo).port
    const behind = connect({ engine: { url: `http://127.0.0.1:${port}`, username, password } }, `ingest_${number}`)
    for (let at = 0; at < 5; at += 1) await seal(folder, [outcome(), outcome()])
    const failures: string[] = []
    const ingest = start({ client: behind, meter: { ...silentMeter, failed: (state) => failures.push(state) } })
    await eventually(() => failures.length >= 2)
    await seal(folder, [outcome()])
    await eventually(() => ingest.status().waiting.segments === 6)
    expect(ingest.status()).toMatchObject({ state: 'away', done: { segments: 0 } })
    expect(ingest.status().trouble?.attempts).toBeGreaterThan(1)
    away = false
    await ingest.drained()
    expect(ingest.status()).toMatchObject({ state: 'idle', done: { segments: 6, lines: 11 } })
    expect(ingest.status().trouble).toBeUndefined()
    expect(await counts(client)).toEqual({ rows: 11, ids: 11, rollup: 11, segments: 6 })
    await ingest.stop()
    await behind.close()
    gate.closeAllConnections()
    gate.close()
  })

  it('or refuses for a reason that is not in the lines, nothing is quarantined', async () => {
    await client.command({ query: 'RENAME TABLE outcomes TO elsewhere' })
    await seal(folder, [outcome()])
    const ingest = start()
    await eventually(() => ingest.status().state === 'refused')
    expect(ingest.status().trouble?.message).toContain('outcomes')
    await client.command({ query: 'RENAME TABLE elsewhere TO outcomes' })
    await ingest.drained()
    expect(await counts(client)).toMatchObject({ rows: 1 })
  })

  it('it stops at once when told to', async () => {
    const nobody = connect({ url: 'http://127.0.0.1:9' })
    await seal(folder, [outcome()])
    const ingest = start({ client: nobody })
    await eventually(() => ingest.status().state === 'away')
    const began = performance.now()
    await ingest.stop()
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(ingest.status().state).toBe('stopped')
    expect(await sealedLeft()).toHaveLength(1)
    await nobody.close()
  })
})

it('segments go to the archive where there is one', async () => {
  const archive = path.join(base, `archive-${number}`)
  const name = await seal(folder, [outcome()])
  await start({ archive }).drained()
  expect(await readdir(archive)).toEqual([name])
  expect(await sealedLeft()).toEqual([])
})

it('a sealed segment is found at once, without waiting for the next look', async () => {
  const ingest = start({ pollMs: 60_000 })
  await ingest.drained()
  await seal(folder, [outcome()])
  await eventually(() => ingest.status().done.segments === 1, 5)
})

/** The client, telling the token of each insert. */
const watched = (real: ClickHouseClient, tell: (token: unknown) => void): ClickHouseClient => {
  const see = (settings: object | undefined): void => {
    const token = (settings as Record<string, unknown> | undefined)?.['insert_deduplication_token']
    if (token !== undefined && token !== '') tell(token)
  }
  return Object.assign(Object.create(real) as ClickHouseClient, {
    command: (asked: Parameters<ClickHouseClient['command']>[0]) => {
      see(asked.clickhouse_settings)
      return real.command(asked)
    },
    exec: (asked: Parameters<ClickHouseClient['exec']>[0]) => {
      see(asked.clickhouse_settings)
      return real.exec(asked)
    },
  })
}

const silentMeter = { ingested: () => {}, quarantined: () => {}, torn: () => {}, failed: () => {}, waiting: () => {} }
