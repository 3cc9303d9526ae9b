import { describe, expect, it } from 'vitest'

import { readStatement } from '@sluice/sidecar/engine/statement'

const formatOf = (sql: string): string | undefined => readStatement(sql).format?.name

describe('the FORMAT clause of a statement', () => {
  it.each([
    ['select 1', undefined],
    ['select 1 format JSON', 'JSON'],
    ['select 1 FORMAT JSONEachRow;', 'JSONEachRow'],
    ['select 1 format TSV settings max_threads = 1', 'TSV'],
    ['select 1 settings max_threads = 1 format TSV -- that is it', 'TSV'],
    ['select 1 as format', undefined],
    ['select format from t', undefined],
    ['select a, format b from t', undefined],
    ["select 'format JSON'", undefined],
    ['select (select 1 format JSON)', undefined],
    ['select 1 -- format JSON', undefined],
  ])('%s', (sql, name) => {
    expect(formatOf(sql)).toBe(name)
  })

  it('says where the statement ends', () => {
    expect(readStatement('select 1 ; -- x').length).toBe('select 1'.length)
    expect(readStatement(' -- nothing').verb).toBe('')
    expect(readStatement('((select 1))').verb).toBe('(')
  })
})

describe('an INSERT', () => {
  const dataOf = (sql: string): string | undefined => {
    const { dataAt } = readStatement(sql)
    return dataAt === undefined ? undefined : sql.slice(dataAt)
  }

  it.each([
    ['insert into t format JSONEachRow\n{"a":1}', '{"a":1}'],
    ['insert into t format CSV 1,2', '1,2'],
    ['INSERT INTO db.t (a, b) SETTINGS x = 1 FORMAT TSV\r\n1\t2', '1\t2'],
    ['insert into t (a) values (1), (2)', ' (1), (2)'],
    ["insert into function null('a UInt8') format RowBinary\n\u0000;\u0001", '\u0000;\u0001'],
    ['insert into values format CSV\n1', '1'],
    ['insert into `format` format CSV\n1', '1'],
    ['insert into t select 1', undefined],
    ['insert into t with 1 as x select x', undefined],
    ["insert into t from infile '/a' format CSV", undefined],
    ['insert into t', undefined],
  ])('%j has its data where ClickHouse looks for it', (sql, data) => {
    expect(dataOf(sql)).toBe(data)
  })

  it('that reads its body by input() says so', () => {
    expect(readStatement("insert into t select a from input('a UInt8') format CSV\n1\n")).toMatchObject({
      verb: 'INSERT',
      input: true,
    })
    expect(readStatement('insert into t select input from u').input).toBe(false)
  })

  it('can have its data in a file instead: after the columns, before settings and format', () => {
    const sql = 'insert into t (a) settings x = 1 format CSV\n'
    expect(sql.slice(0, readStatement(sql).infileAt)).toBe('insert into t (a)')
  })
})

describe('clauses that touch files', () => {
  it.each([
    ["insert into t from infile '/spool/a' format CSV", '/spool/a'],
    ["insert into t from infile 'a\\'b' format CSV", null],
    ['insert into t from /* x */ infile $$/a$$ format CSV', null],
    ["insert into t from infile '/a' from infile '/b' format CSV", null],
    ['insert into t from infile {p:String} format CSV', null],
    ["insert into t (infile) values ('from infile')", undefined],
  ])('%s', (sql, infile) => {
    expect(readStatement(sql).infile).toBe(infile)
  })

  it('INTO OUTFILE is seen wherever it stands', () => {
    expect(readStatement("select 1 into outfile '/x' format CSV").outfile).toBe(true)
    expect(readStatement("select 1 INTO -- c\n OUTFILE '/x'").outfile).toBe(true)
    expect(readStatement("select 'into outfile'").outfile).toBe(false)
  })
})
