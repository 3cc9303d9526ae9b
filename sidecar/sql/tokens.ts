// Splits ClickHouse SQL into tokens, as far as Sluice must understand it: where strings, quoted names and comments
// begin and end, and how deep in parentheses a word stands. It never decides what is safe; it decides what is text.
// Lazy: it stops where the caller stops, so that the inline data of an INSERT (any bytes) is never read as SQL.

export type TokenKind = 'word' | 'number' | 'string' | 'quoted' | 'mark'

export interface Token {
  readonly kind: TokenKind
  /** As written, quotes included. */
  readonly text: string
  readonly start: number
  readonly end: number
  /** Open parentheses, brackets and braces around the token; a bracket itself counts as outside. */
  readonly depth: number
}

const space = /[\s\u00a0\ufeff]+/y
const lineComment = /(?:--|#[ !])[^\n]*/y
const word = /[A-Za-z_][\w$]*/y
const number = /\d[\w.]*/y
const heredoc = /\$(\w*)\$/y
const opening = '([{'
const closing = ')]}'
/** What ends a quote that begins so; curly quotes are quotes to ClickHouse too. */
const quotes: Readonly<Record<string, string>> = {
  "'": "'",
  '"': '"',
  '`': '`',
  '\u2018': '\u2019',
  '\u201c': '\u201d',
}

/** Tokens of `sql` in order, without white space and comments. An unterminated quote ends with the text. */
export function* tokens(sql: string): Generator<Token, void, undefined> {
  let at = 0
  let depth = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(sql)?.[0]
  }
  while (at < sql.length) {
    const skipped = match(space) ?? match(lineComment)
    if (skipped !== undefined) {
      at += skipped.length
      continue
    }
    if (sql.startsWith('/*', at)) {
      at = endOfComment(sql, at)
      continue
    }
    const start = at
    const char = sql.charAt(at)
    let kind: TokenKind = 'mark'
    const plain = match(word)
    const digits = plain === undefined ? match(number) : undefined
    const tag = plain === undefined && digits === undefined ? match(heredoc) : undefined
    if (plain !== undefined) {
      kind = 'word'
      at += plain.length
    } else if (digits !== undefined) {
      kind = 'number'
      at += digits.length
    } else if (tag !== undefined && sql.includes(tag, at + tag.length)) {
      kind = 'string'
      at = sql.indexOf(tag, at + tag.length) + tag.length
    } else if (quotes[char] !== undefined) {
      kind = char === "'" || char === '\u2018' ? 'string' : 'quoted'
      at = endOfQuote(sql, at, quotes[char])
    } else {
      at += 1
      if (closing.includes(char)) depth = Math.max(0, depth - 1)
    }
    yield { kind, text: sql.slice(start, at), start, end: at, depth }
    if (kind === 'mark' && opening.includes(char)) depth += 1
  }
}

/** ClickHouse nests block comments. */
const endOfComment = (sql: string, start: number): number => {
  let nesting = 1
  let at = start + 2
  while (at < sql.length && nesting > 0) {
    if (sql.startsWith('*/', at)) {
      nesting -= 1
      at += 2
    } else if (sql.startsWith('/*', at)) {
      nesting += 1
      at += 2
    } else at += 1
  }
  return at
}

const endOfQuote = (sql: string, start: number, close: string): number => {
  const straight = close === sql.charAt(start)
  for (let at = start + 1; at < sql.length; at += 1) {
    const char = sql.charAt(at)
    if (straight && char === '\\') at += 1
    else if (char === close) {
      if (!straight || sql.charAt(at + 1) !== close) return at + 1
      at += 1
    }
  }
  return sql.length
}

export const isWord = (token: Token | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'word' && words.includes(token.text.toUpperCase())

/** `text` as a string literal of ClickHouse SQL. */
export const literal = (text: string): string => `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`

/** `name` as a quoted identifier of ClickHouse SQL. */
export const identifier = (name: string): string => `\`${name.replace(/\\/g, '\\\\').replace(/`/g, '\\`')}\``

/** The value of a plain string literal, or undefined where it has escapes or is none. */
export const plainString = (token: Token | undefined): string | undefined => {
  if (token?.kind !== 'string' || !token.text.startsWith("'")) return undefined
  const inner = token.text.slice(1, -1)
  return token.text.endsWith("'") && !/['\\]/.test(inner) ? inner : undefined
}
