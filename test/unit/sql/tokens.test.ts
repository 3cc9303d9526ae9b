import { describe, expect, it } from 'vitest'

import { identifier, literal, plainString, tokens } from '@sluice/sidecar/sql/tokens'

const texts = (sql: string): string[] => [...tokens(sql)].map(({ text }) => text)

describe('tokens of ClickHouse SQL', () => {
  it.each([
    ['select 1', ['select', '1']],
    ["select 'it''s', 'a\\'b'", ['select', "'it''s'", ',', "'a\\'b'"]],
    ['select `a``b`, "c\\"d"', ['select', '`a``b`', ',', '"c\\"d"']],
    ['select -- 1; drop\n2', ['select', '2']],
    ['select # one\n2', ['select', '2']],
    ['select /* a /* nested; */ b */ 3', ['select', '3']],
    ["select $tag$ it's ; $tag$, 4", ['select', "$tag$ it's ; $tag$", ',', '4']],
    ['select $$;$$', ['select', '$$;$$']],
    ['select \u2018a;b\u2019', ['select', '\u2018a;b\u2019']],
    ["select 'not closed; drop", ['select', "'not closed; drop"]],
    ['select /* not closed', ['select']],
    ['a.b[1]', ['a', '.', 'b', '[', '1', ']']],
    ['', []],
  ])('%s', (sql, expected) => {
    expect(texts(sql)).toEqual(expected)
  })

  it('knows how deep in brackets a word stands', () => {
    const depths = [...tokens('f(a, [b], {c}) d')].map(({ text, depth }) => [text, depth])
    expect(depths).toEqual([
      ['f', 0],
      ['(', 0],
      ['a', 1],
      [',', 1],
      ['[', 1],
      ['b', 2],
      [']', 1],
      [',', 1],
      ['{', 1],
      ['c', 2],
      ['}', 1],
      [')', 0],
      ['d', 0],
    ])
  })

  it('does not read on where the caller stops', () => {
    const [first] = tokens('INSERT \u0000\u0001')
    expect(first?.text).toBe('INSERT')
  })
})

describe('quoting', () => {
  it('a literal cannot be left', () => {
    expect(literal("it's \\ '; drop")).toBe("'it\\'s \\\\ \\'; drop'")
    expect(texts(literal("'\\''; drop"))).toHaveLength(1)
  })
  it('an identifier cannot be left', () => {
    expect(texts(identifier('a`; drop'))).toHaveLength(1)
    expect(texts(identifier('a\\'))).toHaveLength(1)
  })
  it('only a string without escapes has a plain value', () => {
    const value = (sql: string): string | undefined => plainString([...tokens(sql)][0])
    expect(value("'/a/b.c'")).toBe('/a/b.c')
    expect(value("'a\\'b'")).toBeUndefined()
    expect(value("'a''b'")).toBeUndefined()
    expect(value("'open")).toBeUndefined()
    expect(value('$$a$$')).toBeUndefined()
    expect(value('word')).toBeUndefined()
  })
})
