import { randomUUID } from 'node:crypto'
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { Journal, type JournalOptions } from '@sluice/sidecar/journal/journal'
import { Shipper } from '@sluice/sidecar/journal/shipper'
import { silent } from '@sluice/sidecar/log'

import { runEngine, type Running } from '../engine/running'

let running: Running
let client: ClickHouseClient
let folder: string

beforeAll(async () => {
  running = await runEngine()
  client = await openClickHouse({ engine: running.engine })
})
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-journal-'))
  await client.command({ query: 'TRUNCATE TABLE audit' })
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})
afterAll(async () => {
  await client.close()
  await running.end()
})

const open = (options: Partial<JournalOptions> = {}): Promise<Journal> =>
  Journal.open({ folder, name: 'audit', keep: true, log: silent, ...options })

const row = (author: string) => ({ id: randomUUID(), at: Date.now(), action: 'override', state: 'done', author })

const authors = async (): Promise<string[]> => {
  const answer = await client.query({ query: 'SELECT author FROM audit FINAL ORDER BY author', format: 'JSONEachRow' })
  return (await answer.json<{ author: string }>()).map(({ author }) => author)
}

const ship = async (journal: Journal, now: () => ClickHouseClient | undefined = () => client): Promise<void> => {
  const shipper = new Shipper({ journal, table: 'audit', client: now, log: silent })
  await shipper.ship()
  await shipper.stop()
}

describe('the journal', () => {
  it('has a line on disk before append settles, in order, also when many append at once', async () => {
    const journal = await open()
    await Promise.all(Array.from({ length: 20 }, (_, n) => journal.append({ n })))
    const lines = (await readFile(path.join(folder, 'audit.ndjson'), 'utf8')).trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { n: number }).n)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    await journal.close()
  })

  it('keeps what was not shipped over a restart, and ships it once', async () => {
    const first = await open()
    await first.append(row('a'))
    await ship(first)
    await first.append(row('b'))
    await ship(first, () => undefined)
    expect(first.behind).toBeGreaterThan(0)
    await first.close()
    const second = await open()
    await ship(second)
    expect(await authors()).toEqual(['a', 'b'])
    expect(second.behind).toBe(0)
    await second.close()
  })

  it('ships again what was shipped but not marked, and the table makes one of it', async () => {
    const journal = await open()
    await journal.append(row('a'))
    await ship(journal)
    await journal.close()
    await writeFile(path.join(folder, 'audit.shipped'), '0')
    const again = await open()
    await ship(again)
    expect(await authors()).toEqual(['a'])
    await again.close()
  })

  it('skips a line torn by a crash and goes on behind it', async () => {
    const first = await open()
    await first.append(row('a'))
    await first.close()
    await appendFile(path.join(folder, 'audit.ndjson'), '{"author":"torn')
    const second = await open()
    await second.append(row('b'))
    await ship(second)
    expect(await authors()).toEqual(['a', 'b'])
    await second.close()
  })

  it('believes no mark beyond the file and none that is damaged', async () => {
    const first = await open()
    await first.append(row('a'))
    await first.close()
    for (const mark of ['garbage', '-4', '1e99']) {
      await writeFile(path.join(folder, 'audit.shipped'), mark)
      const again = await open()
      expect(again.behind).toBeGreaterThan(0)
      await again.close()
    }
  })

  it('puts a full file away once it is shipped, and loses nothing of what is kept', async () => {
    const journal = await open({ fullBytes: 500 })
    for (let n = 0; n < 10; n++) {
      await journal.append(row(`a${n}`))
      if (n % 4 === 3) await ship(journal)
    }
    await ship(journal)
    expect(await authors()).toHaveLength(10)
    expect((await readdir(folder)).filter((name) => /^audit\.\d+\.ndjson$/.test(name)).length).toBeGreaterThan(0)
    await journal.close()
  })

  it('takes no more than its size of what is not kept, and counts what it left out', async () => {
    const journal = await open({ fullBytes: 300, keep: false })
    const taken = []
    for (let n = 0; n < 10; n++) taken.push(await journal.append(row(`a${n}`)))
    expect(journal.dropped).toBe(taken.filter((one) => !one).length)
    expect(journal.dropped).toBeGreaterThan(0)
    await ship(journal)
    expect(await journal.append(row('z'))).toBe(true)
    await journal.close()
  })
})
