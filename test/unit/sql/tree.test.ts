import { describe, expect, it } from 'vitest'

import { examine } from '@sluice/sidecar/sql/permit'
import { readTree, walk } from '@sluice/sidecar/sql/tree'

const plain = `SelectWithUnionQuery (children 1)
 ExpressionList (children 1)
  SelectQuery (children 2)
   ExpressionList (children 1)
    Function countIf (alias n) (children 1)
     ExpressionList (children 1)
      Identifier a
   TablesInSelectQuery (children 1)
    TablesInSelectQueryElement (children 1)
     TableExpression (children 1)
      TableIdentifier sluice.outcomes (alias o)
`

describe('the tree EXPLAIN AST prints', () => {
  it('is read with names, without aliases', () => {
    const root = readTree(plain)
    expect(root && [...walk(root)].map(({ kind, name }) => `${kind} ${name}`.trim())).toEqual([
      'SelectWithUnionQuery',
      'ExpressionList',
      'SelectQuery',
      'ExpressionList',
      'Function countIf',
      'ExpressionList',
      'Identifier a',
      'TablesInSelectQuery',
      'TablesInSelectQueryElement',
      'TableExpression',
      'TableIdentifier sluice.outcomes',
    ])
    expect(examine(root)).toBeUndefined()
  })

  it.each([
    ['a child more than declared', plain.replace('      Identifier a', '      Identifier a\n      Identifier b')],
    ['a child less than declared', plain.replace('      Identifier a\n', '')],
    ['a second root', `${plain}Literal 1\n`],
    ['a line that is no node', plain.replace('Identifier a', 'Identifier a\n y)')],
    ['a level left out', plain.replace('   ExpressionList', '     ExpressionList')],
    ['nothing', ''],
  ])('does not add up with %s, and is refused', (_, text) => {
    const root = readTree(text)
    expect(root).toBeUndefined()
    expect(examine(root)).toBe('a statement that cannot be understood')
  })

  it('a name that looks like an alias does not become shorter', () => {
    const strange = plain.replace('sluice.outcomes (alias o)', 'sluice (alias x).secret (alias y)')
    expect(examine(readTree(strange))).toBe('the table sluice (alias x).secret')
    expect(examine(readTree(plain.replace('countIf (alias n)', 'file (alias q (alias r)')))).toContain('file')
  })

  it('is read in no time, whatever a literal contains', () => {
    const long = plain.replace('Identifier a\n', `Literal '${' (alias x'.repeat(7_000)}'\n`)
    const began = performance.now()
    expect(readTree(long)).toBeDefined()
    expect(performance.now() - began).toBeLessThan(200)
  })

  it('an alias that looks like a number of children is only an alias', () => {
    expect(readTree(plain.replace('(alias n)', '(alias n) (children 9)'))).toEqual(readTree(plain))
  })
})

const inside = (line: string): string =>
  `SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 1)\n   ExpressionList (children 1)\n    ${line}\n`

describe('what a tree may contain', () => {
  it.each([
    ['Function COUNT', undefined],
    ['Function quantileTDigestMergeIf', undefined],
    ['Function sumMapOrNull', undefined],
    ['Function lambda', undefined],
    ['Function file', 'the function file'],
    ['Function FiLe', 'the function FiLe'],
    ['Function fileIf', 'the function fileIf'],
    ['Function dictGetString', 'the function dictGetString'],
    ['Function getSetting', 'the function getSetting'],
    ['Function sleep', 'the function sleep'],
    ['Function somebodysOwn', 'the function somebodysOwn'],
    ['TableIdentifier system.one', undefined],
    ['TableIdentifier system.processes', 'the table system.processes'],
    ['TableIdentifier SYSTEM.processes', 'the table SYSTEM.processes'],
    ['TableIdentifier other.table', 'the table other.table'],
    ['TableIdentifier sluice.outcomes', undefined],
    ['TableIdentifier outcomes', undefined],
    ['Identifier information_schema.tables', 'the table information_schema.tables'],
    ['Identifier o.provider', undefined],
    ['Set', 'SETTINGS'],
    ['ColumnsApplyTransformer', 'ColumnsApplyTransformer in a statement'],
    ['SomethingNew x', 'SomethingNew in a statement'],
  ])('%s', (line, complaint) => {
    expect(examine(readTree(inside(line)))).toBe(complaint)
  })
})
