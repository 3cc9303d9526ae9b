// ClickHouse's HTTP interface as any other tool would use it.

import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import zlib from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { eventually, runEngine, type Running } from './running'

let running: Running
let spool: string
beforeAll(async () => {
  spool = await mkdtemp(path.join(tmpdir(), 'sluice-readable-'))
  running = await runEngine({ readable: [spool], limits: { reads: 3, waiting: 4, bodyBytes: 3_000_000 } })
  await say('CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a')
})
afterAll(async () => {
  await running.end()
  await rm(spool, { recursive: true, force: true })
})

const say = async (query: string, search: Record<string, string> = {}): Promise<string> => {
  const answer = await running.ask(search, { body: query })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${answer.status} ${text}`)
  return text
}

describe('paths and authentication', () => {
  it('answers pings to anybody', async () => {
    for (const at of ['/ping', '/', '/replicas_status']) {
      expect(await (await fetch(running.engine.url + at)).text()).toBe('Ok.\n')
    }
    expect((await fetch(`${running.engine.url}/play`)).status).toBe(404)
    expect((await fetch(running.engine.url, { method: 'PUT' })).status).toBe(405)
  })

  it('takes the password in headers, as Basic or in the URL, and nothing without it', async () => {
    const { url, username, password } = running.engine
    const query = `${url}/?query=SELECT+1`
    expect(await (await fetch(`${query}&user=${username}&password=${password}`)).text()).toBe('1\n')
    const basic = Buffer.from(`${username}:${password}`).toString('base64')
    expect(await (await fetch(query, { headers: { Authorization: `Basic ${basic}` } })).text()).toBe('1\n')
    for (const headers of [{}, { Authorization: 'Basic !' }, { 'X-ClickHouse-User': username }]) {
      const refused = await fetch(query, { headers: headers as Record<string, string> })
      expect([refused.status, refused.headers.get('x-clickhouse-exception-code')]).toEqual([403, '516'])
    }
  })
})

describe('answers', () => {
  it('come in the format asked for, by clause or by default', async () => {
    const answer = await running.ask(
      { default_format: 'JSONCompactEachRow', query_id: 'mine' },
      { body: 'SELECT 1, 2' },
    )
    expect(await answer.text()).toBe('[1, 2]\n')
    expect(answer.headers.get('x-clickhouse-format')).toBe('JSONCompactEachRow')
    expect(answer.headers.get('x-clickhouse-query-id')).toBe('mine')
    expect(answer.headers.get('content-type')).toContain('application/x-ndjson')
    expect(JSON.parse(answer.headers.get('x-clickhouse-summary') ?? '')).toMatchObject({ read_rows: '1' })
    expect(await say('SELECT 1 AS a FORMAT CSVWithNames SETTINGS max_threads = 1')).toBe('"a"\n1\n')
    expect(await say('SELECT 1 AS format')).toBe('1\n')
    expect(await say('WITH 1 AS x SELECT x UNION ALL SELECT 2 -- FORMAT JSON')).toMatch(/^[12]\n[12]\n$/)
    expect(await say('(SELECT 1)')).toBe('1\n')
    expect(await say('SHOW TABLES', { default_format: 'JSONEachRow' })).toBe('{"name":"t"}\n')
    expect(await say('DESCRIBE t')).toContain('UInt32')
    expect(await say('EXISTS t')).toBe('1\n')
    expect(await say('EXPLAIN AST SELECT 1')).toContain('SelectQuery')
  })

  it('stream whole in every shape: one document, one header, blocks', async () => {
    const numbers = 'SELECT number AS n FROM numbers(300000)'
    const json = JSON.parse(await say(`${numbers} FORMAT JSON`)) as { rows: number; data: { n: string }[] }
    expect([json.rows, json.data.length, json.data.at(-1)?.n]).toEqual([300_000, 300_000, '299999'])
    const csv = (await say(`${numbers} FORMAT CSVWithNames`)).split('\n')
    expect([csv.length, csv.filter((line) => line === '"n"').length]).toEqual([300_002, 1])
    const binary = await running.ask({}, { body: `${numbers} FORMAT RowBinary` })
    const bytes = Buffer.from(await binary.arrayBuffer())
    expect([bytes.length, bytes.readUInt32LE(299_999 * 8)]).toEqual([2_400_000, 299_999])
    const native = Buffer.from(await (await running.ask({}, { body: `${numbers} FORMAT Native` })).arrayBuffer())
    await say('CREATE TABLE copied (n UInt64) ENGINE = MergeTree ORDER BY n')
    await running.ask({ query: 'INSERT INTO copied FORMAT Native' }, { body: native })
    expect(await say('SELECT count(), sum(n) FROM copied')).toBe('300000\t44999850000\n')
  })

  it('hold the query back where nobody reads', async () => {
    const { port } = new URL(running.engine.url)
    const socket = net.connect(Number(port), '127.0.0.1')
    const auth = Buffer.from(`${running.engine.username}:${running.engine.password}`).toString('base64')
    const query = encodeURIComponent("SELECT number, repeat('x', 100) FROM /* slow reader */ system.numbers")
    socket.write(`GET /?query=${query} HTTP/1.1\r\nHost: e\r\nAuthorization: Basic ${auth}\r\n\r\n`)
    await once(socket, 'readable')
    const progress = (): Promise<string> =>
      say("SELECT read_rows FROM system.processes WHERE query LIKE '%slow reader%' AND query NOT LIKE '%processes%'")
    let last = ''
    // It stands still once pipe and socket are full.
    await eventually(async () => {
      const now = await progress()
      await new Promise((resolve) => setTimeout(resolve, 100))
      const still = now !== '' && now === last
      last = now
      return still
    })
    expect(Number(last)).toBeLessThan(2_000_000)
    socket.destroy()
    await eventually(async () => (await progress()) === '', 5)
  })

  it('tell a late failure in the stream, framed, and end without an end', async () => {
    const body =
      'SELECT number, throwIf(number = 2000000) FROM numbers(3000000) SETTINGS max_block_size = 1000 FORMAT TSV'
    const answer = await running.ask({}, { body })
    expect(answer.status).toBe(200)
    const tag = answer.headers.get('x-clickhouse-exception-tag') ?? ''
    let text = ''
    const read = async (): Promise<void> => {
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString()
    }
    await expect(read()).rejects.toThrow()
    expect(text).toContain(`\r\n__exception__\r\n${tag}\r\nCode: 395. DB::Exception: `)
    expect(text.endsWith(`${tag}\r\n__exception__\r\n`)).toBe(true)
  })

  it('are complete or an error with wait_end_of_query', async () => {
    const body = 'SELECT number, throwIf(number = 200000) FROM numbers(300000) SETTINGS max_block_size = 1000'
    const answer = await running.ask({ wait_end_of_query: '1' }, { body })
    expect([answer.status, answer.headers.get('x-clickhouse-exception-code')]).toEqual([500, '395'])
    const whole = await running.ask({ wait_end_of_query: '1' }, { body: 'SELECT number FROM numbers(300000)' })
    expect((await whole.text()).length).toBe(1_988_890)
    expect(whole.headers.get('x-clickhouse-summary')).toContain('300000')
  })

  it.each(['gzip', 'br'])('are compressed with %s', async (encoding) => {
    const answer = await running.ask(
      { enable_http_compression: '1' },
      {
        body: 'SELECT number FROM numbers(100000)',
        headers: { 'Accept-Encoding': encoding },
      },
    )
    expect(answer.headers.get('content-encoding')).toBe(encoding)
    expect((await answer.text()).split('\n')).toHaveLength(100_001)
  })
})

describe('bodies', () => {
  const rows = (): Promise<string> => say('SELECT count(), min(b) FROM t')
  const truncate = (): Promise<string> => say('TRUNCATE TABLE t')

  it('carry a whole INSERT, or its data', async () => {
    await truncate()
    await say("INSERT INTO t VALUES (1, 'x'), (2, 'it''s')")
    await say('3,y\n', { query: 'INSERT INTO t FORMAT CSV' })
    await say('INSERT INTO t FORMAT JSONEachRow {"a":4,"b":"z"}\n{"a":5,"b":"z"}')
    await say("(6, 'w')", { query: 'INSERT INTO t VALUES' })
    expect(await say('SELECT a, b FROM t ORDER BY a FORMAT CSV')).toBe('1,"x"\n2,"it\'s"\n3,"y"\n4,"z"\n5,"z"\n6,"w"\n')
  })

  it('are unpacked', async () => {
    await truncate()
    const tsv = Array.from({ length: 20_000 }, (_, at) => `${at}\té`).join('\n')
    for (const [encoding, pack] of [
      ['gzip', zlib.gzipSync],
      ['deflate', zlib.deflateSync],
      ['br', zlib.brotliCompressSync],
    ] as const) {
      const answer = await running.ask(
        { query: 'INSERT INTO t FORMAT TSV' },
        { body: pack(tsv), headers: { 'Content-Encoding': encoding } },
      )
      expect(answer.status).toBe(200)
    }
    expect(await rows()).toBe('60000\té\n')
  })

  it('that cannot be unpacked, are of an unknown kind or too large insert nothing', async () => {
    await truncate()
    const insert = { query: 'INSERT INTO t FORMAT TSV' }
    const refused = async (body: string | Buffer, encoding: string): Promise<[number, string | null]> => {
      const answer = await running.ask(insert, { body, headers: { 'Content-Encoding': encoding } })
      return [answer.status, answer.headers.get('x-clickhouse-exception-code')]
    }
    const packed = zlib.gzipSync(Buffer.from('1\tx\n'.repeat(400_000)))
    expect(await refused('1\tx\n', 'gzip')).toEqual([400, '36'])
    expect(await refused(packed.subarray(0, packed.length - 20), 'gzip')).toEqual([400, '36'])
    expect(await refused('1\tx\n', 'snappy')).toEqual([501, '48'])
    expect(await refused(zlib.gzipSync(Buffer.alloc(4_000_000, '1\tx\n')), 'gzip')).toEqual([413, '177'])
    expect(await rows()).toBe('0\t\n')
  })

  it('that break off insert nothing', async () => {
    await truncate()
    const { port } = new URL(running.engine.url)
    const auth = Buffer.from(`${running.engine.username}:${running.engine.password}`).toString('base64')
    const socket = net.connect(Number(port), '127.0.0.1')
    const query = encodeURIComponent('INSERT INTO t FORMAT TSV')
    socket.write(
      `POST /?query=${query} HTTP/1.1\r\nHost: e\r\nAuthorization: Basic ${auth}\r\nContent-Length: 2000000\r\n\r\n`,
    )
    await new Promise((resolve) => socket.write('1\tx\n'.repeat(300_000), resolve))
    socket.destroy()
    await once(socket, 'close')
    expect(await say('SELECT 1')).toBe('1\n')
    expect(await rows()).toBe('0\t\n')
  })

  it('that are no UTF-8 are refused as statements and taken as data', async () => {
    await truncate()
    const bad = await running.ask({}, { body: Buffer.from([0x53, 0xff, 0x31]) })
    expect([bad.status, bad.headers.get('x-clickhouse-exception-code')]).toEqual([400, '36'])
    const whole = Buffer.concat([
      Buffer.from('INSERT INTO t FORMAT TSV\n7\t'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('\n'),
    ])
    expect((await running.ask({}, { body: whole })).status).toBe(200)
    expect(await say('SELECT hex(b) FROM t')).toBe('FFFE\n')
  })
})

describe('files', () => {
  it('are read by INFILE in the folders allowed, and nowhere else', async () => {
    await say('TRUNCATE TABLE t')
    const file = path.join(spool, 'a.csv')
    await writeFile(file, '1,x\n2,y\n')
    const outside = path.join(running.folder, 'b.csv')
    await writeFile(outside, '9,secret\n')
    await symlink(outside, path.join(spool, 'link.csv'))
    await mkdir(path.join(spool, 'deep'))
    const answer = await running.ask({}, { body: `INSERT INTO t FROM INFILE '${file}' FORMAT CSV` })
    expect(JSON.parse(answer.headers.get('x-clickhouse-summary') ?? '')).toMatchObject({ written_rows: '2' })
    for (const from of [
      outside,
      path.join(spool, 'link.csv'),
      `${spool}/../${path.basename(spool)}x/a.csv`,
      `${spool}/deep/../../b.csv`,
      `${spool}/*.csv`,
      `${spool}/{a,b}.csv`,
      'a.csv',
      spool,
      '/etc/passwd',
    ]) {
      const refused = await running.ask({}, { body: `INSERT INTO t FROM INFILE '${from}' FORMAT CSV` })
      expect([from, refused.status, refused.headers.get('x-clickhouse-exception-code')]).toEqual([from, 403, '497'])
    }
    await expect(say(`INSERT INTO t FROM INFILE '${spool}/none.csv' FORMAT CSV`)).rejects.toThrow('FILE_DOESNT_EXIST')
    expect(await say('SELECT count() FROM t')).toBe('2\n')
  })

  it('are never written', async () => {
    for (const query of [
      "SELECT 1 INTO OUTFILE '/dev/null'",
      "SELECT 1 INTO/**/OUTFILE '/dev/null' APPEND FORMAT CSV",
    ]) {
      const refused = await running.ask({}, { body: query })
      expect(refused.headers.get('x-clickhouse-exception-code')).toBe('48')
    }
  })
})

describe('what it does not do', () => {
  it.each([
    [{ session_id: 'x' }, 'SELECT 1'],
    [{ role: 'x' }, 'SELECT 1'],
    [{ compress: '1' }, 'SELECT 1'],
    [{ query: "INSERT INTO t SELECT a, '' FROM input('a UInt8') FORMAT CSV" }, '1\n'],
  ] as [Record<string, string>, string][])('says so: %j', async (search, body) => {
    const refused = await running.ask(search, { body })
    expect([refused.status, await refused.text()]).toEqual([501, expect.stringContaining('(NOT_IMPLEMENTED)')])
  })

  it.each(['', ' -- nothing', ';'])('an empty query: %j', async (body) => {
    const refused = await running.ask({}, { body })
    expect([refused.status, refused.headers.get('x-clickhouse-exception-code')]).toEqual([400, '62'])
  })

  it('changes by GET', async () => {
    const refused = await running.ask({ query: 'CREATE TABLE x (a UInt8) ENGINE = Memory' }, { method: 'GET' })
    expect([refused.status, refused.headers.get('x-clickhouse-exception-code')]).toEqual([400, '164'])
    expect(await (await running.ask({ query: 'SELECT 1' }, { method: 'GET' })).text()).toBe('1\n')
  })

  it('more at once than it was given: some wait, the rest is told', async () => {
    const slow = 'SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1'
    const stop = new AbortController()
    const crowd = Array.from({ length: 12 }, () =>
      running.ask({}, { body: slow, signal: stop.signal }).then(
        (answer) => answer.headers.get('x-clickhouse-exception-code'),
        () => 'left',
      ),
    )
    const told = await Promise.race([Promise.all(crowd), Promise.any(crowd)])
    expect(told).toBe('202')
    // Writes have places of their own.
    await say("INSERT INTO t VALUES (1, 'x')")
    stop.abort()
    expect((await Promise.all(crowd)).filter((each) => each === 'left')).toHaveLength(7)
    await eventually(async () => (await say('SELECT 1').catch(() => '')) === '1\n')
  })
})
