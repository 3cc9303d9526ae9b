// What can be read: outcomes, the way of a message, scores, SQL, metrics.
import { randomUUID } from 'node:crypto'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { outcomeFields } from '@sluice/core/outcome/record'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { connect } from '@sluice/sidecar/clickhouse/connect'
import type { Database } from '@sluice/sidecar/database'

import { blockedBy, insertOutcomes, outcome } from '../score/outcomes'
import { because, Running } from './running'

let redis: RedisServer
let running: Running

beforeAll(async () => {
  redis = await startRedis()
  running = await Running.start({
    redisUrl: redis.url,
    sidecar:
      'score: { interval_s: 0.5, half_life_s: 5 }\nsql: { max_seconds: 2, max_rows: 1000, concurrency: 2, per_minute: 600 }\n',
  })
})
afterAll(async () => {
  await running.end()
  await redis.stop()
})

const insert = async (rows: Parameters<typeof insertOutcomes>[1]): Promise<void> => {
  const { engine } = (running.sidecar as unknown as { database: Database }).database
  if (!engine) throw new Error('no engine')
  const client = connect({ engine })
  await insertOutcomes(client, rows)
  await client.close()
}

type Outcomes = { outcomes: Record<string, unknown>[] }

describe('outcomes', () => {
  it('are listed with every field of the record, newest first, by filter', async () => {
    const domain = `${randomUUID()}.example`
    const now = Date.now()
    await insert([
      outcome({ recipient_domain: domain, at: now - 2000, provider: 'google', routing_version: 2 ** 40 }),
      blockedBy({ recipient_domain: domain, at: now - 1000, provider: 'yahoo' }),
      outcome({ recipient_domain: domain, at: now - 90_000_000 }),
    ])
    const list = async (filter: string) =>
      (await running.ask(`/v1/outcomes?recipient_domain=${domain}${filter}`)).json<Outcomes>().outcomes
    const all = await list('')
    expect(all.map(({ at }) => at)).toEqual([now - 1000, now - 2000])
    expect(Object.keys(all[0] ?? {}).sort()).toEqual(Object.keys(outcomeFields).sort())
    expect(all[1]).toMatchObject({ routing_version: 2 ** 40, propensity: 0.75, kind: 'delivered' })
    expect(await list('&since=7d')).toHaveLength(3)
    expect(await list('&kind=bounced')).toMatchObject([{ provider: 'yahoo', class: 'ip_blocked', blame: 'ip' }])
    expect(await list('&provider=google&source=a&limit=1')).toHaveLength(1)
    expect(await list(`&since=${now - 1500}`)).toHaveLength(1)
    expect(await list("&recipient=x'%20OR%201=1")).toEqual([])
  })
})

describe('the way of a message', () => {
  it('is told with all outcomes and the weights each choice was made from', async () => {
    const message_id = randomUUID()
    const { version } = (
      await running.post('/v1/overrides', { source: 'a', provider: 'yahoo', weight: 7, ...because, expires_in_s: 60 })
    ).json<{ version: number }>()
    const now = Date.now()
    await insert([
      blockedBy({ message_id, kind: 'deferred', provider: 'yahoo', at: now, routing_version: 0, queue_id: 'Q1' }),
      outcome({ message_id, provider: 'yahoo', at: now + 50, attempt: 2, routing_version: version, queue_id: 'Q1' }),
      outcome({ message_id, provider: 'google', at: now + 60, routing_version: 12345, queue_id: 'Q2' }),
    ])
    const answer = (await running.ask(`/v1/messages/${message_id}`)).json<Outcomes & { choices: unknown[] }>()
    expect(answer.outcomes.map(({ kind }) => kind)).toEqual(['deferred', 'delivered', 'delivered'])
    expect(answer.choices).toMatchObject([
      { routing_version: 0, known: true, weights: [{ source: 'a', weight: 3, share: 0.75 }, { source: 'b' }] },
      {
        routing_version: version,
        published_by: 'anna',
        weights: [
          { source: 'a', weight: 7, override: { reason: 'test' } },
          { source: 'b', weight: 1 },
        ],
      },
      { routing_version: 12345, known: false, weights: [] },
    ])
    const byQueue = (await running.ask('/v1/messages/Q2')).json<Outcomes>()
    expect(byQueue.outcomes).toHaveLength(1)
  })

  it('of an unknown message is a coded error', async () => {
    const answer = await running.ask('/v1/messages/nobody')
    expect([answer.status, answer.problem().code]).toEqual([404, 'SLUICE_HTTP_NOT_FOUND'])
  })
})

describe('scores', () => {
  it('fall for a source that is turned away, are published, and tell their inputs', async () => {
    const now = Date.now()
    const stream = 'bulk'
    await insert([
      ...Array.from({ length: 20 }, (_, n) => blockedBy({ source: 'a', provider: 'pear', stream, at: now - n * 10 })),
      ...Array.from({ length: 20 }, (_, n) => outcome({ source: 'b', provider: 'pear', stream, at: now - n * 10 })),
    ])
    const low = async () => {
      const { scores } = (await running.ask('/v1/scores?provider=pear&source=a&pool=main')).json<{
        scores: { multiplier: number }[]
      }>()
      return scores[0]?.multiplier ?? 1
    }
    await expect.poll(low, { timeout: 15_000 }).toBeLessThan(0.5)
    const { scores } = (await running.ask('/v1/scores?provider=pear&source=a&pool=main')).json<{ scores: unknown[] }>()
    expect(scores).toMatchObject([
      {
        base: 3,
        listing: { blocked: 20, delivered: 0, run: { blocked: true, length: 20 } },
        inputs: [{ stream: 'bulk', blocked_count: 20, last_rule: 'test.block' }],
      },
    ])
    await expect
      .poll(async () => (await running.ask('/v1/routing')).text, { timeout: 15_000 })
      .toContain('"pear":{"a":{"weight":')
  })
})

describe('SQL', () => {
  const sql = (statement: string, more: object = {}) => running.post('/v1/sql', { sql: statement, ...more })

  it('answers rows with their types, keeping 64-bit numbers whole', async () => {
    const answer = await sql('SELECT toUInt64(18446744073709551615) AS big, [1, 2] AS list, NULL AS none')
    expect(answer.json()).toEqual({
      columns: [
        { name: 'big', type: 'UInt64' },
        { name: 'list', type: 'Array(UInt8)' },
        { name: 'none', type: 'Nullable(Nothing)' },
      ],
      rows: [['18446744073709551615', [1, 2], null]],
      row_count: 1,
    })
  })

  it('answers CSV and JSON lines too, and takes parameters', async () => {
    const params = { who: "anna' OR 1=1 --", n: 3 }
    const csv = await sql('SELECT {who:String} AS who, {n:UInt8} AS n', { params, format: 'csv' })
    expect([csv.headers.get('content-type'), csv.text]).toEqual([
      'text/csv; charset=utf-8',
      `"who","n"\n"anna' OR 1=1 --",3\n`,
    ])
    const lines = await sql('SELECT number FROM numbers(2)', { format: 'jsonl' })
    expect(lines.text).toBe('{"number":"0"}\n{"number":"1"}\n')
  })

  it.each([
    'DROP TABLE outcomes',
    'INSERT INTO outcomes SELECT * FROM outcomes',
    "SELECT file('/etc/passwd')",
    "SELECT * FROM file('/etc/passwd', 'TSV')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'TSV')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    'SELECT 1; DROP TABLE outcomes',
    'SET max_memory_usage = 0',
    'SELECT 1 SETTINGS readonly = 0',
    'SYSTEM SHUTDOWN',
    'KILL QUERY WHERE 1',
    'SELECT * FROM system.processes',
    'SELECT 1 FORMAT Null',
  ])('refuses %s', async (statement) => {
    const answer = await sql(statement)
    expect([answer.status, answer.problem().code]).toEqual([403, 'SLUICE_SQL_REFUSED'])
    expect((await sql('SELECT count() > 0 FROM outcomes')).json()).toMatchObject({ rows: [[1]] })
  })

  it.each([
    ['time', 'SELECT sum(sipHash64(a.number, b.number)) FROM numbers(1000000) a, numbers(1000000) b'],
    ['rows', 'SELECT number FROM numbers(1001)'],
  ])('stops at the limit of %s', async (_what, statement) => {
    const answer = await sql(statement)
    expect([answer.status, answer.problem().code]).toEqual([422, 'SLUICE_SQL_LIMIT'])
  })

  it('says what ClickHouse found wrong', async () => {
    const answer = await sql('SELECT nothing FROM outcomes')
    expect([answer.status, answer.problem().code]).toEqual([400, 'SLUICE_SQL_FAILED'])
    expect(answer.problem().message).toContain('nothing')
  })

  it('is answered 429 where too many run at a time', async () => {
    const slow = 'SELECT sum(sipHash64(a.number, b.number)) FROM numbers(100000) a, numbers(100000) b'
    const statuses = (await Promise.all(Array.from({ length: 5 }, () => sql(slow)))).map(({ status }) => status)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(3)
  })
})

describe('metrics', () => {
  it('have the figures of every part', async () => {
    const text = (await running.ask('/v1/metrics')).text
    for (const name of [
      'sluice_spool_segments',
      'sluice_ingest_lag_seconds',
      'sluice_ingest_outcomes_total',
      'sluice_routing_version',
      'sluice_score_seconds_count',
      'sluice_http_request_seconds_count{route="post /v1/sql",status="403"}',
      'sluice_part_ok{part="clickhouse"} 1',
      'sluice_engine_restarts 0',
      'process_resident_memory_bytes',
    ]) {
      expect(text).toContain(name)
    }
  })
})
