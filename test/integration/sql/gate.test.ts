// SQL of strangers against a real engine: what must pass passes, what must not is refused and changes nothing.

import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { connect } from '@sluice/sidecar/clickhouse/connect'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { runReadOnly, type ReadOnlyOptions } from '@sluice/sidecar/sql/readonly'

import { runEngine, type Running } from '../engine/running'

let running: Running
let client: ClickHouseClient
let knocks = 0
let port = 0
const secret = path.join(tmpdir(), `sluice-secret-${process.pid}`)
const written = path.join(tmpdir(), `sluice-written-${process.pid}`)
/** Somewhere a query could reach out to. */
const server = http.createServer((_, response) => {
  knocks += 1
  response.end('1\n')
})

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await writeFile(secret, 'top secret\n')
  running = await runEngine()
  client = await openClickHouse({ engine: running.engine })
  port = (server.address() as AddressInfo).port
  await client.command({ query: 'CREATE TABLE facts (a UInt32, b String) ENGINE = MergeTree ORDER BY a' })
  await client.command({ query: "INSERT INTO facts SELECT number, 'fact' FROM numbers(100)" })
  await client.command({ query: 'CREATE DATABASE other ENGINE = Atomic' })
  await client.command({ query: 'CREATE TABLE other.hidden (a UInt32) ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a' })
  await client.command({
    query:
      "CREATE DICTIONARY names (a UInt32, b String) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT 1 AS a, \\'x\\' AS b')) LIFETIME(0) LAYOUT(FLAT())",
  })
})
afterAll(async () => {
  await client.close()
  await running.end()
  server.close()
  await Promise.all([secret, written].map((file) => rm(file, { force: true })))
})

const rows = async (sql: string, options: ReadOnlyOptions = {}): Promise<unknown[]> => {
  const answer = await runReadOnly(client, sql, options)
  return (await answer.json<unknown[]>()).data
}

const hostile = (): string[] => [
  // files
  `SELECT file('${secret}')`,
  `SELECT FILE('${secret}')`,
  `SELECT \`file\`('${secret}')`,
  `SELECT "file"('${secret}')`,
  `SELECT * FROM file('${secret}', 'LineAsString')`,
  `SELECT * FROM (SELECT * FROM file('${secret}', 'LineAsString'))`,
  `WITH x AS (SELECT * FROM file('${secret}', 'LineAsString')) SELECT * FROM x`,
  `SELECT 1 WHERE 'a' IN (SELECT * FROM file('${secret}', 'LineAsString'))`,
  `SELECT arrayMap(x -> file(x), ['${secret}'])`,
  `SELECT * APPLY(file) FROM (SELECT '${secret}' AS a)`,
  `SELECT * APPLY(x -> file(x)) FROM (SELECT '${secret}' AS a)`,
  `SELECT * REPLACE(file('${secret}') AS a) FROM facts`,
  `SELECT sum(a) OVER (ORDER BY file('${secret}')) FROM facts`,
  `SELECT a FROM facts ORDER BY file('${secret}')`,
  `SELECT a FROM facts ORDER BY a WITH FILL FROM length(file('${secret}'))`,
  `SELECT a FROM facts ORDER BY a WITH FILL INTERPOLATE (b AS file('${secret}'))`,
  `SELECT a FROM facts LIMIT length(file('${secret}'))`,
  `SELECT a FROM facts GROUP BY a HAVING file('${secret}') != ''`,
  `SELECT a FROM facts ARRAY JOIN [file('${secret}')] AS q`,
  `SELECT 1 FROM facts AS x JOIN facts AS y ON x.b = file('${secret}')`,
  `SELECT * FROM view(SELECT file('${secret}'))`,
  `DESCRIBE file('${secret}')`,
  `EXPLAIN SELECT file('${secret}')`,
  `EXPLAIN PIPELINE SELECT * FROM file('${secret}')`,
  `SELECT * FROM (EXPLAIN SELECT * FROM file('${secret}'))`,
  `SELECT * FROM fileCluster('x', '${secret}')`,
  `SELECT * FROM filesystem('${path.dirname(secret)}')`,
  `SELECT * FROM executable('cat ${secret}', 'TSV', 'a String')`,
  `SELECT * FROM sqlite('${secret}', 't')`,
  `SELECT 1 INTO OUTFILE '${written}'`,
  `SELECT 1 INTO/**/OUTFILE '${written}' FORMAT CSV`,
  `(SELECT 1) INTO OUTFILE '${written}' TRUNCATE`,
  `INSERT INTO FUNCTION file('${written}') SELECT 1`,
  `INSERT INTO facts FROM INFILE '${secret}' FORMAT CSV`,
  // other servers
  `SELECT * FROM url('http://127.0.0.1:${port}/', 'TSV', 'a String')`,
  `SELECT * FROM urlCluster('x', 'http://127.0.0.1:${port}/', 'TSV')`,
  `SELECT * FROM s3('http://127.0.0.1:${port}/a/b', 'TSV', 'a String')`,
  `SELECT * FROM remote('127.0.0.1:${port}', system.one)`,
  `SELECT * FROM remoteSecure('127.0.0.1:${port}', system.one)`,
  `SELECT * FROM cluster('default', system.one)`,
  `SELECT * FROM mysql('127.0.0.1:${port}', 'a', 'b', 'c', 'd')`,
  `SELECT * FROM postgresql('127.0.0.1:${port}', 'a', 'b', 'c', 'd')`,
  `SELECT * FROM mongodb('127.0.0.1:${port}', 'a', 'b', 'c', 'd', 'a String')`,
  `SELECT * FROM redis('127.0.0.1:${port}', 'k', 'k String, v String')`,
  `SELECT * FROM hdfs('hdfs://127.0.0.1:${port}/x', 'TSV', 'a String')`,
  `SELECT * FROM jdbc('x', 'y', 'z')`,
  `SELECT * FROM iceberg('http://127.0.0.1:${port}/a')`,
  `SELECT aiGenerate('x', 'y')`,
  // what is not ours to show
  'SELECT * FROM system.processes',
  'SELECT * FROM SYSTEM.processes',
  'SELECT * FROM `system`.`processes`',
  'SELECT * FROM system.settings',
  'SELECT * FROM system.named_collections',
  'SELECT * FROM system.disks',
  'SELECT * FROM information_schema.tables',
  'SELECT 1 IN system.processes',
  'SELECT 1 IN other.hidden',
  'SELECT 1 NOT IN (SELECT * FROM other.hidden)',
  'SELECT 1 GLOBAL IN other.hidden',
  'SELECT (1 AS "x") IN other.hidden',
  'SELECT * FROM other.hidden',
  'SELECT * FROM facts JOIN other.hidden USING a',
  'SELECT * FROM facts, other.hidden',
  'SELECT other.hidden.a FROM other.hidden',
  "SELECT * FROM merge('other', 'hidden')",
  "SELECT * FROM merge(REGEXP('.*'), 'hidden')",
  "SELECT * FROM loop('other', 'hidden')",
  "SELECT * FROM mergeTreeIndex('sluice', 'facts')",
  "SELECT * FROM dictionary('names')",
  "SELECT dictGet('names', 'b', 1)",
  "SELECT dictGetString('sluice.names', 'b', toUInt64(1))",
  "SELECT joinGet('facts', 'b', 1)",
  "SELECT hasColumnInTable('other', 'hidden', 'a')",
  "SELECT getSetting('max_threads')",
  "SELECT getMacro('x')",
  "SELECT getClientHTTPHeader('Authorization')",
  "SELECT getServerSetting('path')",
  'SELECT hostName(), FQDN(), currentUser()',
  'SELECT * FROM {t:Identifier}',
  // changes
  'INSERT INTO facts VALUES (1, 2)',
  'INSERT INTO facts SELECT 1, 2',
  'WITH 1 AS x INSERT INTO facts SELECT x, 2',
  'CREATE TABLE made (a UInt8) ENGINE = Memory',
  'CREATE TEMPORARY TABLE made (a UInt8)',
  'CREATE FUNCTION made AS (x) -> x',
  'CREATE USER made',
  'ALTER TABLE facts DELETE WHERE 1',
  'ALTER TABLE facts DROP COLUMN b',
  'DELETE FROM facts WHERE 1',
  'UPDATE facts SET b = 1 WHERE 1',
  'DROP TABLE facts',
  'DROP DATABASE sluice',
  'TRUNCATE TABLE facts',
  'RENAME TABLE facts TO gone',
  'EXCHANGE TABLES facts AND outcomes',
  'DETACH TABLE facts',
  'OPTIMIZE TABLE facts FINAL',
  "BACKUP TABLE facts TO File('/tmp/x')",
  'SYSTEM SHUTDOWN',
  'SYSTEM STOP MERGES',
  'KILL QUERY WHERE 1',
  'GRANT ALL ON *.* TO sluice',
  'SET max_threads = 1',
  'SET readonly = 0',
  'USE other',
  // several at once, and hidden ones
  'SELECT 1; DROP TABLE facts',
  'SELECT 1;;SELECT 2',
  "SELECT ';' ; DROP TABLE facts",
  '/* SELECT */ DROP TABLE facts',
  'SELECT 1 -- \n; DROP TABLE facts',
  'EXPLAIN AST SELECT 1; DROP TABLE facts',
  'EXPLAIN DROP TABLE facts',
  'SELECT 1 PARALLEL WITH DROP TABLE facts',
  'SELECT 1 SETTINGS readonly = 0',
  'SELECT 1 SETTINGS max_execution_time = 0',
  'SELECT * FROM (SELECT 1 SETTINGS max_result_rows = 0)',
  'SELECT 1 FORMAT JSON SETTINGS max_threads = 1',
  'SELECT 1 UNION ALL SELECT * FROM other.hidden',
  'SELECT 1 EXCEPT SELECT * FROM other.hidden',
  'SELECT sleep(3)',
  'SELECT sleepEachRow(1) FROM numbers(3)',
  `SELECT catboostEvaluate('${secret}', 1)`,
  'SELECT addressToLine(1)',
  'SHOW TABLES',
  'SHOW PROCESSLIST',
  'SHOW CREATE TABLE other.hidden',
  'CHECK TABLE facts',
  'SELECT `x\n   TableIdentifier sluice.facts` FROM other.hidden',
  'SELECT 1 AS "x\n y" FROM other.hidden',
  'SELECT somebodysOwn(1)',
  '',
  ';',
]

/** All that a hostile statement could have changed. */
const state = async (): Promise<unknown> => {
  const query = `SELECT groupArray((database, name, total_rows)) AS tables FROM (
    SELECT database, name, total_rows FROM system.tables WHERE database IN ('sluice', 'other') ORDER BY database, name)`
  return (await client.query({ query, format: 'JSONEachRow' })).json()
}

describe('hostile statements', () => {
  it('are refused each, and nothing has changed, been read or reached', async () => {
    const before = await state()
    const passed: string[] = []
    for (const sql of hostile()) {
      const outcome = await rows(sql, sql.includes('{t:') ? { params: { t: 'other.hidden' } } : {}).then(
        (data) => `answered ${JSON.stringify(data).slice(0, 100)}`,
        (error: unknown) => (error as { code?: string }).code ?? String(error),
      )
      // A syntax this ClickHouse does not know fails in its parser; that is a refusal as well.
      if (!['SLUICE_SQL_REFUSED', 'SLUICE_SQL_FAILED'].includes(outcome)) passed.push(`${sql}: ${outcome}`)
    }
    expect(passed).toEqual([])
    expect(await state()).toEqual(before)
    expect(existsSync(written)).toBe(false)
    expect(knocks).toBe(0)
    expect(hostile().length).toBeGreaterThan(110)
  })

  it('are refused by the engine alone, too, where a request says readonly=1', async () => {
    const before = await state()
    const passed: string[] = []
    for (const sql of hostile().filter((each) => each.trim() !== '' && !each.includes('{t:'))) {
      const answer = await running.ask({ readonly: '1', max_execution_time: '2' }, { body: sql })
      const text = await answer.text()
      if (answer.ok) passed.push(`${sql}: ${text.slice(0, 100)}`)
    }
    expect(passed).toEqual([])
    expect(await state()).toEqual(before)
    expect(existsSync(written)).toBe(false)
    expect(knocks).toBe(0)
  })
})

describe('legitimate statements', () => {
  it.each([
    ['SELECT 1', [[1]]],
    ['select 1;  -- done', [[1]]],
    ['SELECT count() FROM facts', [['100']]],
    ['SELECT count() FROM sluice.facts AS f WHERE f.a < 10', [['10']]],
    ['WITH top AS (SELECT a FROM facts ORDER BY a DESC LIMIT 2) SELECT a FROM top ORDER BY a', [[98], [99]]],
    ['WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT max(n) FROM r', [['3']]],
    [
      'SELECT a, sum(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM facts ORDER BY a LIMIT 2',
      [
        [0, '0'],
        [1, '1'],
      ],
    ],
    ['SELECT row_number() OVER w AS n FROM facts WINDOW w AS (PARTITION BY b ORDER BY a) LIMIT 1', [['1']]],
    ['SELECT x.a FROM facts AS x INNER JOIN (SELECT 5 AS a) AS y ON x.a = y.a', [[5]]],
    ['SELECT a FROM facts WHERE a IN (SELECT number FROM numbers(3)) AND a IN (1, 2) ORDER BY a', [[1], [2]]],
    ["SELECT a FROM facts WHERE (a, b) IN ((1, 'fact'))", [[1]]],
    [
      'SELECT countIf(a > 50), uniqExact(b), quantileExact(0.5)(a), sumIf(a, a < 3), argMax(a, a) FROM facts',
      [['49', '1', 50, '3', 99]],
    ],
    [
      "SELECT toStartOfHour(toDateTime('2026-01-01 10:20:00', 'UTC')) AS h, dateDiff('hour', toDate('2026-01-01'), toDate('2026-01-02'))",
      [['2026-01-01 10:00:00', '24']],
    ],
    [
      "SELECT arraySum(arrayMap(x -> x * 2, [1, 2])), CAST('7' AS UInt8), '8'::UInt8, if(1, 2, 3), CASE WHEN 1 THEN 'a' END",
      [['6', 7, 8, 2, 'a']],
    ],
    [
      "SELECT INTERVAL 1 DAY + toDate('2026-01-01') AS d, 5 BETWEEN 1 AND 9, 'abc' LIKE 'a%', extract('a1', '\\\\d')",
      [['2026-01-02', 1, 1, '1']],
    ],
    ['SELECT * EXCEPT b FROM facts WHERE a = 3', [[3]]],
    ["SELECT COLUMNS('^a$') FROM facts LIMIT 1 BY b", [[0]]],
    ['SELECT b, count() AS n FROM facts GROUP BY b WITH ROLLUP HAVING n > 0 ORDER BY b LIMIT 1', [['', '100']]],
    ['SELECT 1 AS n UNION ALL SELECT 2 UNION DISTINCT SELECT 2', [[1], [2]]],
    ['FROM facts SELECT max(a)', [[99]]],
    ["SELECT name FROM system.columns WHERE database = 'sluice' AND table = 'facts' ORDER BY name", [['a'], ['b']]],
    ['SELECT sum(outcomes) FROM outcomes_1h', [['0']]],
    ['SELECT quantilesTDigestMerge(0.5, 0.9, 0.99)(total_ms_quantiles) FROM outcomes_1h', [[[null, null, null]]]],
  ])('%s', async (sql, expected) => {
    const sorted = sql.startsWith('SELECT 1 AS n UNION') ? (await rows(sql)).sort() : await rows(sql)
    expect(sorted).toEqual(expected)
  })

  it('have parameters, which cannot become anything else', async () => {
    const evil = "x' OR 1 --"
    expect(
      await rows('SELECT {a:String}, {b:UInt32} + 1, {c:Array(String)}', { params: { a: evil, b: 1, c: [evil] } }),
    ).toEqual([[evil, '2', [evil]]])
  })

  it('are explained and described', async () => {
    expect(JSON.stringify(await rows('EXPLAIN indexes = 1 SELECT a FROM facts WHERE a = 1'))).toContain('PrimaryKey')
    expect((await rows('DESCRIBE outcomes')).length).toBeGreaterThan(30)
  })

  it('stream in another format', async () => {
    const answer = await runReadOnly(client, 'SELECT number FROM numbers(3)', { format: 'CSVWithNames' })
    expect(await answer.text()).toBe('"number"\n0\n1\n2\n')
  })
})

describe('limits', () => {
  const fails = (sql: string, limits: ReadOnlyOptions['limits']) =>
    expect(rows(sql, limits ? { limits } : {})).rejects.toMatchObject({ code: 'SLUICE_SQL_LIMIT' })

  it('of time', () => fails('SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1', { timeMs: 300 }))
  it('of rows in the answer', () => fails('SELECT number FROM numbers(1000)', { resultRows: 10 }))
  it('of bytes in the answer', () => fails("SELECT repeat('x', 1000) FROM numbers(1000)", { resultBytes: 1000 }))
  it('of rows read', () => fails('SELECT sum(a) FROM facts', { readRows: 10 }))
  it('of memory', () => fails('SELECT length(groupArray(number)) FROM numbers(100000000)', { memoryBytes: 50_000_000 }))

  it('leave alone what is within them', async () => {
    expect(await rows('SELECT number FROM numbers(10)', { limits: { resultRows: 10 } })).toHaveLength(10)
  })
})

describe('failures', () => {
  it('of the statement are its own', async () => {
    await expect(rows('SELECT nope FROM facts')).rejects.toMatchObject({ code: 'SLUICE_SQL_FAILED' })
    await expect(rows('SELECT FROM WHERE')).rejects.toMatchObject({ code: 'SLUICE_SQL_FAILED' })
    await expect(rows('SELECT {a:String}')).rejects.toMatchObject({ code: 'SLUICE_SQL_FAILED' })
  })

  it('of ClickHouse are not', async () => {
    const nobody = connect({ url: 'http://127.0.0.1:9' })
    await expect(runReadOnly(nobody, 'SELECT 1')).rejects.toMatchObject({ code: 'SLUICE_CLICKHOUSE_AWAY' })
    await nobody.close()
  })
})
