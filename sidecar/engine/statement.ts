// Reads just enough of a statement to know how the engine must run it: its verb, its FORMAT clause, where the inline
// data of an INSERT begins, and the two clauses that touch files (INFILE, OUTFILE). What the statement means is
// ClickHouse's business; a statement misread here ends in ClickHouse's own syntax error, never in another statement.

import { isWord, plainString, tokens, type Token } from '../sql/tokens'

export interface Statement {
  /** First keyword in upper case, or '(' ; empty where there is no statement. */
  readonly verb: string
  /** Characters from the start up to the end of the last token, without a final semicolon. */
  readonly length: number
  /** The FORMAT clause: its name and where it stands. */
  readonly format?: { readonly name: string; readonly start: number; readonly end: number }
  /** INSERT only: where its inline data begins; absent where it takes none (INSERT SELECT, INFILE). */
  readonly dataAt?: number
  /** INSERT only: where FROM INFILE can be put. */
  readonly infileAt?: number
  /** INSERT only: takes its rows from a SELECT that reads the body by input(). */
  readonly input: boolean
  readonly outfile: boolean
  /** The path in FROM INFILE; null where it is not one plain string. */
  readonly infile?: string | null
}

const none: Statement = { verb: '', length: 0, outfile: false, input: false }

/** @param text SQL; for an INSERT it may be followed by data of any kind */
export const readStatement = (text: string): Statement => {
  const stream = tokens(text)
  const first = stream.next().value
  if (!first) return none
  return isWord(first, 'INSERT') ? readInsert(text, stream) : readOther(first, stream)
}

const readOther = (first: Token, stream: Iterable<Token>): Statement => {
  const all = [first, ...stream]
  while (all.at(-1)?.text === ';') all.pop()
  const last = all.at(-1)
  if (!last) return none
  const clause = all.findLastIndex(
    (token, at) =>
      token.depth === 0 &&
      isWord(token, 'FORMAT') &&
      all[at + 1]?.kind === 'word' &&
      (at + 2 === all.length || isWord(all[at + 2], 'SETTINGS')) &&
      endsExpression(all[at - 1]),
  )
  const word = all[clause]
  const name = all[clause + 1]
  return {
    verb: first.kind === 'word' ? first.text.toUpperCase() : first.text,
    length: last.end,
    ...(clause > 0 && word && name && { format: { name: name.text, start: word.start, end: name.end } }),
    outfile: all.some((token, at) => isWord(token, 'OUTFILE') && isWord(all[at - 1], 'INTO')),
    input: all.some((token, at) => isWord(token, 'INPUT') && all[at + 1]?.text === '('),
    ...infileOf(all),
  }
}

/** A FORMAT clause follows something complete: not an operator, a comma or a keyword that wants an operand. */
const endsExpression = (token: Token | undefined): boolean =>
  token !== undefined && (token.kind !== 'mark' || ')]}*'.includes(token.text)) && !isWord(token, 'AS', 'SELECT', 'BY')

const readInsert = (text: string, stream: Iterable<Token>): Statement => {
  const all: Token[] = []
  const statement = { verb: 'INSERT', outfile: false, input: false }
  let infileAt: number | undefined
  for (const token of stream) {
    const before = all.at(-1)
    if (before && pastTarget(all) && token.depth === 0) {
      if (isWord(token, 'SELECT', 'WITH')) {
        return { ...readSelecting(text, token.start), verb: 'INSERT' }
      }
      if (isWord(token, 'SETTINGS', 'VALUES', 'FORMAT')) infileAt ??= before.end
      if (isWord(token, 'VALUES')) {
        const values = { name: 'Values', start: token.start, end: token.end }
        return { ...statement, length: token.end, format: values, dataAt: token.end, ...place(infileAt) }
      }
      if (isWord(before, 'FORMAT') && token.kind === 'word') {
        const format = { name: token.text, start: before.start, end: token.end }
        const from = infileOf(all)
        const data = 'infile' in from ? {} : { dataAt: startOfData(text, token.end), ...place(infileAt) }
        return { ...statement, length: token.end, format, ...data, ...from }
      }
    }
    all.push(token)
  }
  while (all.at(-1)?.text === ';') all.pop()
  return { ...statement, length: all.at(-1)?.end ?? 0, ...infileOf(all) }
}

const place = (infileAt: number | undefined): { infileAt?: number } => (infileAt === undefined ? {} : { infileAt })

/** Whether the tokens after INSERT already name the target: [INTO] [TABLE] [FUNCTION] name. */
const pastTarget = (after: readonly Token[]): boolean =>
  after.some((token) => !isWord(token, 'INTO', 'TABLE', 'FUNCTION')) && after.at(-1)?.text !== '.'

const readSelecting = (text: string, from: number): Statement => {
  const select = readStatement(text.slice(from))
  const move = (at: number): number => at + from
  return {
    ...select,
    length: move(select.length),
    ...(select.format && {
      format: { ...select.format, start: move(select.format.start), end: move(select.format.end) },
    }),
  }
}

const infileOf = (all: readonly Token[]): { infile?: string | null } => {
  const found = all.filter((token, at) => isWord(token, 'INFILE') && isWord(all[at - 1], 'FROM'))
  const [only] = found
  if (!only) return {}
  return { infile: found.length === 1 ? (plainString(all[all.indexOf(only) + 1]) ?? null) : null }
}

/** After FORMAT name: blanks, then at most one line end, belong to the statement. */
const startOfData = (text: string, end: number): number => {
  const blank = /[ \t]*;?[ \t]*(?:\r?\n)?/y
  blank.lastIndex = end
  return end + (blank.exec(text)?.[0].length ?? 0)
}
