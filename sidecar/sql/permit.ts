// What a statement of a user may contain, decided on its syntax tree. Everything is by list: node kinds, functions,
// table functions, system tables. What is not on a list is refused, so a ClickHouse that learns something new does
// not thereby allow it. Left out on purpose: files, URLs, other servers, dictionaries, joins engines, models, sleep,
// settings, and whatever tells of the server or its users.

import functions from './functions.json'
import { walk, type Node } from './tree'

const kinds = new Set([
  'ArrayJoin',
  'Asterisk',
  'ColumnsExceptTransformer',
  'ColumnsListMatcher',
  'ColumnsRegexpMatcher',
  'ColumnsReplaceTransformer',
  'ColumnsReplaceTransformer::Replacement',
  'ColumnsTransformerList',
  'DescribeQuery',
  'Explain',
  'ExpressionList',
  'Function',
  'Identifier',
  'InterpolateElement',
  'Literal',
  'OrderByElement',
  'QualifiedAsterisk',
  'QualifiedColumnsListMatcher',
  'QualifiedColumnsRegexpMatcher',
  'SampleRatio',
  'SelectIntersectExceptQuery',
  'SelectQuery',
  'SelectWithUnionQuery',
  'Subquery',
  'TableExpression',
  'TableIdentifier',
  'TableJoin',
  'TablesInSelectQuery',
  'TablesInSelectQueryElement',
  'WindowDefinition',
  'WindowListElement',
  'WithElement',
])

/** Names the parser itself gives to syntax. */
const syntax = ['lambda', '_cast', 'casewithexpression', 'exists', 'viewexplain']
const scalars = new Set([...functions.scalar.split(' '), ...syntax])
const aggregates = new Set(functions.aggregate.split(' '))
const combinator =
  /(?:if|array|map|simplestate|state|mergestate|merge|foreach|distinct|ordefault|ornull|resample|argmin|argmax|null|tuple)$/

const tableFunctions = new Set([
  'format',
  'generaterandom',
  'generateseries',
  'generate_series',
  'null',
  'numbers',
  'numbers_mt',
  'primes',
  'sqlstandardvalues',
  'values',
  'view',
  'viewexplain',
  'zeros',
  'zeros_mt',
])

const systemTables = new Set([
  'system.columns',
  'system.data_type_families',
  'system.formats',
  'system.functions',
  'system.numbers',
  'system.one',
  'system.parts',
  'system.tables',
  'system.time_zones',
])

const membership = /^(?:global)?(?:not)?(?:null)?in(?:ignoreset)?$/

/** What of the tree is not allowed, in words; undefined where all of it is. */
export const examine = (root: Node | undefined, database = 'sluice'): string | undefined => {
  if (!root) return 'a statement that cannot be understood'
  for (const node of walk(root)) {
    if (node.kind === 'Set' && isExplainOption(root, node)) continue
    const complaint = judge(node, database)
    if (complaint !== undefined) return complaint
  }
  return undefined
}

/** EXPLAIN indexes = 1 …: options of the explanation, not settings of the query. */
const isExplainOption = (root: Node, node: Node): boolean => root.kind === 'Explain' && root.children[0] === node

const judge = (node: Node, database: string): string | undefined => {
  if (!kinds.has(node.kind)) return node.kind === 'Set' ? 'SETTINGS' : `${node.kind} in a statement`
  if (node.kind === 'TableIdentifier') return judgeTable(node.name, database)
  if (node.kind === 'Identifier' && /^(?:system|information_schema)\./i.test(node.name)) {
    return judgeTable(node.name, database)
  }
  if (node.kind === 'TableExpression') {
    const called = node.children.find(({ kind }) => kind === 'Function')?.name
    if (called !== undefined && !tableFunctions.has(called.toLowerCase())) return `the table function ${called}`
    return undefined
  }
  if (node.kind !== 'Function') return undefined
  const name = node.name.toLowerCase()
  if (membership.test(name)) {
    const right = node.children[0]?.children[1]
    if (right?.kind === 'Identifier') return judgeTable(right.name, database)
  }
  return permits(name) || tableFunctions.has(name) ? undefined : `the function ${node.name}`
}

/** @param name function name in lower case */
const permits = (name: string): boolean => {
  if (scalars.has(name)) return true
  let base = name
  while (!aggregates.has(base)) {
    const shorter = base.replace(combinator, '')
    if (shorter === base) return false
    base = shorter
  }
  return true
}

/** A name without a dot is a table of the current database or a query of the WITH clause. */
const judgeTable = (name: string, database: string): string | undefined => {
  const dot = name.indexOf('.')
  const inside = dot < 0 || name.slice(0, dot) === database || systemTables.has(name.toLowerCase())
  return inside ? undefined : `the table ${name}`
}
