// The first look at a user's SQL, before anything of it reaches ClickHouse: one statement, of a kind that reads, and
// nothing that would make its syntax tree ambiguous or its output go elsewhere.

import { SluiceError } from '@sluice/core/errors'

import { isWord, tokens, type Token } from './tokens'

/** Longest statement taken, in characters. */
const longest = 65_536
const verbs = ['SELECT', 'WITH', 'FROM', 'EXPLAIN', 'DESCRIBE', 'DESC']
/** A line end, or any other control character. */
const control = /\p{Cc}/u

const refusal = (what: string): SluiceError => new SluiceError('SLUICE_SQL_REFUSED', `${what} is not allowed`)

/**
 * The statement without its final semicolons and comments.
 * @throws SluiceError SLUICE_SQL_REFUSED
 */
export const screen = (sql: string): string => {
  if (sql.length > longest) throw refusal(`a statement of more than ${longest} characters`)
  const all = [...tokens(sql)]
  while (all.at(-1)?.text === ';') all.pop()
  const last = all.at(-1)
  if (!last) throw refusal('an empty statement')
  if (all.some(({ text }) => text === ';')) throw refusal('more than one statement')
  const first = all.find(({ text }) => text !== '(')
  if (last.kind === 'word' && isWord(all.at(-2), 'FORMAT') && !isWord(all.at(-3), 'AS', 'SELECT')) {
    throw refusal('a FORMAT clause (the format is chosen beside the statement)')
  }
  if (!isWord(first, ...verbs)) throw refusal(`a statement other than ${verbs.join(', ')}`)
  for (const [at, token] of all.entries()) screenToken(token, all[at - 1], all[at + 1])
  return sql.slice(0, last.end)
}

const screenToken = (token: Token, before: Token | undefined, after: Token | undefined): void => {
  if (token.kind === 'quoted' && control.test(token.text)) throw refusal('a control character in a name')
  if (isWord(token, 'OUTFILE') && isWord(before, 'INTO')) throw refusal('INTO OUTFILE')
  if (isWord(token, 'INFILE') && isWord(before, 'FROM')) throw refusal('FROM INFILE')
  if (isWord(token, 'IDENTIFIER') && before?.text === ':' && after?.text === '}') {
    throw refusal('a parameter of type Identifier')
  }
}
