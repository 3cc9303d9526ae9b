import { describe, expect, it } from 'vitest'

import { screen } from '@sluice/sidecar/sql/screen'

describe('the first look at a statement', () => {
  it.each([
    ['SELECT 1', 'SELECT 1'],
    ['select 1 -- and that is all', 'select 1'],
    ['select 1;', 'select 1'],
    ['select 1;;  -- x\n', 'select 1'],
    ['  with a as (select 1) select * from a', '  with a as (select 1) select * from a'],
    ['((select 1))', '((select 1))'],
    ["select ';', `;`", "select ';', `;`"],
    ['explain select 1', 'explain select 1'],
    ['select 1 as format', 'select 1 as format'],
    ["select 'into outfile'", "select 'into outfile'"],
  ])('lets %s through', (sql, statement) => {
    expect(screen(sql)).toBe(statement)
  })

  it.each([
    '',
    ' -- nothing\n;',
    'select 1; select 2',
    'select 1; drop table outcomes',
    '/* select */ drop table outcomes',
    'insert into t values (1)',
    'set readonly = 0',
    'system flush logs',
    'show tables',
    'kill query where 1',
    "select 1 into outfile '/tmp/x'",
    "select 1 INTO/**/OUTFILE '/tmp/x'",
    'select * from {t:Identifier}',
    'select * from {t : identifier}',
    'select 1 format JSON',
    'select 1 as "a\nb"',
    `select '${'x'.repeat(70_000)}'`,
  ])('refuses %j', (sql) => {
    expect(() => screen(sql)).toThrow(expect.objectContaining({ code: 'SLUICE_SQL_REFUSED' }))
  })
})
