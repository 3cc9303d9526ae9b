// A ClickHouse error as its HTTP interface says it: number, name, text, HTTP status. The engine's own refusals use
// ClickHouse's numbers, so that a client need not know which of the two it talks to.

/** Numbers of ClickHouse's ErrorCodes.cpp that the endpoint raises itself. */
export const codes = {
  BAD_ARGUMENTS: 36,
  NOT_IMPLEMENTED: 48,
  SYNTAX_ERROR: 62,
  QUERY_IS_TOO_LARGE: 177,
  READONLY: 164,
  TIMEOUT_EXCEEDED: 159,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  TOO_MANY_ROWS_OR_BYTES: 396,
  QUERY_WAS_CANCELLED: 394,
  ACCESS_DENIED: 497,
  AUTHENTICATION_FAILED: 516,
  UNKNOWN_EXCEPTION: 1002,
} as const

export type CodeName = keyof typeof codes

export class Exception extends Error {
  readonly code: number
  /** Upper-case name of the code. */
  readonly type: string

  constructor(code: number, type: string, message: string) {
    super(message)
    this.name = 'Exception'
    this.code = code
    this.type = type
  }

  /** The body of the answer: `Code: N. DB::Exception: text. (NAME) (version V)`. */
  say(version: string): string {
    return `Code: ${this.code}. DB::Exception: ${withoutEnd(this.message)}. (${this.type}) (version ${version})\n`
  }
}

export const refuse = (type: CodeName, message: string): Exception => new Exception(codes[type], type, message)

const head = /^Code: (\d+)\. DB::Exception: /

/** Reads what the engine threw; it repeats head and tail once per layer. */
export const readException = (thrown: unknown): Exception => {
  if (thrown instanceof Exception) return thrown
  let text = (thrown instanceof Error ? thrown.message : String(thrown)).trim()
  const number = head.exec(text)?.[1]
  if (number === undefined) return new Exception(codes.UNKNOWN_EXCEPTION, 'UNKNOWN_EXCEPTION', text)
  let type = 'UNKNOWN_EXCEPTION'
  for (let layer = 0; layer < 4 && head.test(text); layer += 1) {
    text = withoutEnd(text.replace(head, ''))
    for (let mark = lastMark(text); mark; mark = lastMark(text)) {
      if (mark.type !== undefined) type = mark.type
      text = withoutEnd(text.slice(0, mark.start))
    }
  }
  return new Exception(Number(number), type, text)
}

/** `(NAME)` or `(version …)` at the end. */
const lastMark = (text: string): { readonly start: number; readonly type?: string } | undefined => {
  if (!text.endsWith(')')) return undefined
  const start = text.lastIndexOf('(')
  const inside = text.slice(start + 1, -1)
  if (inside.startsWith('version ')) return { start }
  return /^[A-Z][A-Z0-9_]{2,}$/.test(inside) ? { start, type: inside } : undefined
}

/** Without the dots and blanks at its end. */
const withoutEnd = (text: string): string => {
  let end = text.length
  while (end > 0 && ' .\n\t\r'.includes(text.charAt(end - 1))) end -= 1
  return text.slice(0, end)
}

const statusOf: Readonly<Record<number, number>> = {
  194: 401,
  192: 403,
  193: 403,
  497: 403,
  516: 403,
  46: 404,
  47: 404,
  50: 404,
  60: 404,
  73: 404,
  81: 404,
  115: 404,
  159: 408,
  177: 413,
  48: 501,
  202: 503,
}
const callersFault = new Set([6, 26, 27, 36, 38, 41, 43, 53, 57, 62, 72, 117, 164, 307, 376, 386, 456, 457, 469])

/** HTTP status as ClickHouse chooses it: who is at fault, roughly; the code header has the truth. */
export const httpStatus = ({ code }: Exception): number => statusOf[code] ?? (callersFault.has(code) ? 400 : 500)
