// The unmodified @clickhouse/client against the engine: what it can do with a server, it can do here.

import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

import { ClickHouseError, type ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { eventually, runEngine, type Running } from './running'

let running: Running
let client: ClickHouseClient
beforeAll(async () => {
  running = await runEngine()
  client = running.client()
  await client.command({ query: 'CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a' })
})
afterAll(() => running.end())

const rows = async (query: string, params: Record<string, unknown> = {}): Promise<unknown[]> =>
  (await client.query({ query, query_params: params, format: 'JSONEachRow' })).json()

describe('the client', () => {
  it('pings, with and without a query', async () => {
    expect(await client.ping()).toEqual({ success: true })
    expect(await client.ping({ select: true })).toEqual({ success: true })
  })

  it('is not let in with a wrong password', async () => {
    const stranger = running.client({ password: 'wrong' })
    await expect(stranger.query({ query: 'SELECT 1' })).rejects.toMatchObject({
      code: '516',
      type: 'AUTHENTICATION_FAILED',
    })
    expect(await stranger.ping({ select: true })).toMatchObject({ success: false })
  })

  it('runs DDL and sees its counters', async () => {
    await client.command({ query: 'CREATE TABLE counted (a UInt8) ENGINE = MergeTree ORDER BY a' })
    const { summary } = await client.command({ query: 'INSERT INTO counted SELECT number FROM numbers(7)' })
    expect(summary).toMatchObject({ written_rows: '7' })
    const read = await client.exec({ query: 'SELECT count() FROM counted' })
    expect(await text(read.stream)).toBe('7\n')
    expect(read.summary).toMatchObject({ read_rows: expect.stringMatching(/^[1-9]/) as string })
  })

  it('inserts objects and reads them back, 64-bit integers whole', async () => {
    await client.command({ query: 'TRUNCATE TABLE t' })
    const values = [
      { a: '18446744073709551615', b: 'é漢😀\n\t\\\'"' },
      { a: '1', b: '' },
    ]
    const { summary } = await client.insert({ table: 't', values, format: 'JSONEachRow' })
    expect(summary).toMatchObject({ written_rows: '2' })
    expect(await rows('SELECT * FROM t ORDER BY a DESC')).toEqual(values)
  })

  it('inserts nothing from an empty stream', async () => {
    await client.insert({ table: 't', values: Readable.from([], { objectMode: true }), format: 'JSONEachRow' })
  })

  it.each([
    [
      'JSONEachRow',
      Readable.from(
        [
          { a: '5', b: 'x' },
          { a: '6', b: 'y' },
        ],
        { objectMode: true },
      ),
    ],
    ['CSV', Readable.from(['5,x\n', '6,"y"\n'], { objectMode: false })],
    ['TabSeparated', Readable.from(['5\tx\n6\ty\n'], { objectMode: false })],
    [
      'JSONCompactEachRow',
      Readable.from(
        [
          ['5', 'x'],
          ['6', 'y'],
        ],
        { objectMode: true },
      ),
    ],
  ] as const)('inserts a stream of %s', async (format, values) => {
    await client.command({ query: 'TRUNCATE TABLE t' })
    await client.insert({ table: 't', values, format })
    expect(await rows('SELECT * FROM t ORDER BY a')).toEqual([
      { a: '5', b: 'x' },
      { a: '6', b: 'y' },
    ])
  })

  it('inserts bytes that are no text, large and small, by exec', async () => {
    await client.command({ query: 'TRUNCATE TABLE t' })
    const row = Buffer.from([9, 0, 0, 0, 0, 0, 0, 0x80, 4, 0xff, 0x00, 0xfe, 0x0a])
    for (const count of [1, 200_000]) {
      const { stream } = await client.exec({
        query: 'INSERT INTO t FORMAT RowBinary',
        values: Readable.from([Buffer.concat(Array.from({ length: count }, () => row))], { objectMode: false }),
      })
      await text(stream)
    }
    expect(await rows('SELECT count() AS n, any(hex(b)) AS bytes, uniqExact(b) AS kinds FROM t')).toEqual([
      { n: '200001', bytes: 'FF00FE0A', kinds: '1' },
    ])
  })

  it('compresses requests and answers', async () => {
    const packed = running.client({ compression: { request: true, response: true } })
    await packed.command({ query: 'TRUNCATE TABLE t' })
    await packed.insert({ table: 't', values: [{ a: '1', b: 'é'.repeat(100_000) }], format: 'JSONEachRow' })
    const answer = await packed.query({ query: 'SELECT b FROM t', format: 'JSONEachRow' })
    expect(answer.response_headers['content-encoding']).toBe('gzip')
    expect(await answer.json()).toEqual([{ b: 'é'.repeat(100_000) }])
    await expect(packed.query({ query: 'SELECT nope' })).rejects.toBeInstanceOf(ClickHouseError)
  })

  it.each([
    ['String', "it's \t\n\\ é \\N"],
    ['Array(String)', ["it's", 'a\tb', '\\', '', 'x,y', '[]']],
    ['Array(Array(UInt8))', [[1, 2], []]],
    ['Map(String, UInt8)', { "a'b": 1 }],
    ['Nullable(String)', null],
    ['UInt64', '18446744073709551615'],
    ['Float64', 0.1],
    ['Bool', true],
  ])('passes a parameter of type %s', async (type, value) => {
    expect(await rows(`SELECT {v:${type}} AS v`, { v: value })).toEqual([{ v: value }])
  })

  it('passes identifiers, long parameters and many at once', async () => {
    expect(await rows('SELECT {c:Identifier} AS c FROM numbers(1)', { c: 'number' })).toEqual([{ c: '0' }])
    const multipart = running.client({ use_multipart_params: true })
    const long = Array.from({ length: 20_000 }, (_, at) => `it's ${at}`)
    const answer = await multipart.query({
      query: 'SELECT length({v:Array(String)}) AS n',
      query_params: { v: long },
      format: 'JSONEachRow',
    })
    expect(await answer.json()).toEqual([{ n: '20000' }])
    const many = await Promise.all(Array.from({ length: 60 }, (_, at) => rows('SELECT {v:UInt32} AS v', { v: at })))
    expect(many).toEqual(Array.from({ length: 60 }, (_, at) => [{ v: at }]))
  })

  it('gets each error as a ClickHouseError with its number and name', async () => {
    const failing = (query: string) => client.query({ query }).catch((error: unknown) => error)
    for (const [query, code, type] of [
      ['selec 1', '62', 'SYNTAX_ERROR'],
      ['SELECT * FROM nowhere', '60', 'UNKNOWN_TABLE'],
      ['SELECT nope', '47', 'UNKNOWN_IDENTIFIER'],
      ['SELECT nope()', '46', 'UNKNOWN_FUNCTION'],
      ['SELECT 1; SELECT 2', '62', 'SYNTAX_ERROR'],
      ["SELECT throwIf(1, 'on purpose')", '395', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'],
    ] as const) {
      const error = await failing(query)
      expect(error).toBeInstanceOf(ClickHouseError)
      expect(error).toMatchObject({ code, type })
      expect((error as Error).message).not.toContain('OUTFILE')
    }
    await expect(client.insert({ table: 't', values: [{ a: 'x' }], format: 'JSONEachRow' })).rejects.toBeInstanceOf(
      ClickHouseError,
    )
    await expect(
      rows('SELECT 1', {}).then(() => client.query({ query: 'SELECT 1', clickhouse_settings: { nonsense: 1 } })),
    ).rejects.toMatchObject({ code: '115' })
    await expect(running.client({ database: 'nowhere' }).query({ query: 'SELECT 1' })).rejects.toMatchObject({
      code: '81',
    })
  })

  it('keeps the settings of a request in that request', async () => {
    const setting = async (max?: string) => {
      const query = "SELECT getSetting('max_block_size') AS v, getSetting('readonly') AS r"
      const answer = await client.query({
        query,
        format: 'JSONEachRow',
        ...(max && { clickhouse_settings: { max_block_size: max } }),
      })
      return answer.json()
    }
    const usual = await setting()
    const both = await Promise.all(Array.from({ length: 20 }, (_, at) => setting(at % 2 ? '777' : undefined)))
    expect(both.map(([row]) => Number((row as { v: string }).v)).filter((v) => v === 777)).toHaveLength(10)
    expect(await setting()).toEqual(usual)
  })

  it('kills the query it gives up', async () => {
    const impatient = new AbortController()
    const query = 'SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1 /* given up */'
    const running_ = async (): Promise<boolean> =>
      (await rows("SELECT 1 FROM system.processes WHERE query LIKE '%given up%' AND query NOT LIKE '%processes%'"))
        .length > 0
    const asked = client.query({ query, abort_signal: impatient.signal })
    await eventually(running_)
    impatient.abort()
    await expect(asked).rejects.toThrow('abort')
    await eventually(async () => !(await running_()), 5)
  })

  it('kills the query whose answer it stops reading', async () => {
    const answer = await client.query({
      query: 'SELECT number FROM system.numbers /* half read */',
      format: 'JSONEachRow',
    })
    for await (const some of answer.stream()) {
      expect(some.length).toBeGreaterThan(0)
      break
    }
    answer.close()
    const left = "SELECT 1 FROM system.processes WHERE query LIKE '%half read%' AND query NOT LIKE '%processes%'"
    await eventually(async () => (await rows(left)).length === 0, 5)
  })
})
