// What the engine itself holds against a request that says readonly=1: ClickHouse's readonly forbids writes and
// settings, but not files, functions that reach outside, or another class of statement. The sidecar's SQL gate asks
// first; this is the second wall, in the process that would do the harm.

import { examine } from '../sql/permit'
import { readTree } from '../sql/tree'
import { isWord, tokens } from '../sql/tokens'
import type { Analysis } from './addon'
import type { Ask } from './ask'
import { homeDatabase, type Embedded } from './embedded'
import { refuse } from './exception'

/** @throws Exception 164 where the statement is not a plain read of what is allowed */
export const admitReadonly = async (
  embedded: Embedded,
  { database, params }: Ask,
  sql: string,
  analysis: Analysis,
): Promise<void> => {
  // What does not parse has no statement; the parser says why.
  const parses = analysis.statementCount === 1
  if (parses && analysis.queryClass !== 0) throw refuse('READONLY', 'Cannot execute query in readonly mode')
  if (parses && onlyParses(sql)) return
  // A session without the request's limits: they are meant for its answer, not for its tree.
  const settings = new Map<string, string>()
  const session = await embedded.session({ ...(database !== undefined && { database }), settings, params, readonly: 1 })
  try {
    const { bytes } = await session.read(`EXPLAIN AST ${sql}`, 'TabSeparated')
    const complaint = examine(readTree(Buffer.from(bytes).toString('utf8')), database ?? homeDatabase)
    if (complaint !== undefined) throw refuse('READONLY', `${complaint} is not allowed in readonly mode`)
  } finally {
    await session.close()
  }
}

/** EXPLAIN AST parses and does nothing else. */
const onlyParses = (sql: string): boolean => {
  const [explain, ast] = tokens(sql)
  return isWord(explain, 'EXPLAIN') && isWord(ast, 'AST')
}
