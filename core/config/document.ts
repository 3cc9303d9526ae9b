// One YAML file, checked against one schema: every complaint names file, line and key. Never returns half a value:
// either the whole document is good or an error lists everything that is wrong with it.

import { isMap, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import { z } from 'zod'

import { SluiceError } from '../errors'

export interface Complaint {
  readonly file: string
  /** 1-based; 1 where the key is missing at the top */
  readonly line: number
  /** dotted path of the key, empty for the document itself */
  readonly key: string
  readonly message: string
}

export class ConfigError extends SluiceError {
  readonly complaints: readonly Complaint[]

  constructor(code: 'SLUICE_CONFIG_SYNTAX' | 'SLUICE_CONFIG_INVALID', complaints: readonly Complaint[]) {
    super(code, complaints.map(sayComplaint).join('\n'))
    this.complaints = complaints
  }
}

export const sayComplaint = (c: Complaint): string => `${c.file}:${c.line}: ${c.key ? `${c.key}: ` : ''}${c.message}`

/** A parsed file that can still say on which line a key stands. */
export interface ConfigDocument<T> {
  readonly value: T
  readonly complain: (path: readonly PropertyKey[], message: string) => Complaint
}

const maxBytes = 4 * 1024 * 1024

/**
 * Reads `text` as YAML 1.2 and checks it. An empty file counts as an empty mapping.
 * @throws ConfigError with file, line and key of everything that is wrong
 */
export const readDocument = <S extends z.ZodType>(
  file: string,
  text: string,
  schema: S,
): ConfigDocument<z.output<S>> => {
  const lines = new LineCounter()
  const syntax = (line: number, message: string): ConfigError =>
    new ConfigError('SLUICE_CONFIG_SYNTAX', [{ file, line, key: '', message }])

  if (text.length > maxBytes) throw syntax(1, `larger than ${maxBytes} bytes`)
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const [fault] = document.errors
  if (fault) throw syntax(lines.linePos(fault.pos[0]).line, fault.message)

  let plain: unknown
  try {
    plain = document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    throw syntax(1, error instanceof Error ? error.message : String(error))
  }

  const complain = (path: readonly PropertyKey[], message: string): Complaint => ({
    file,
    line: lineOf(document, path, lines),
    key: path.map(String).join('.'),
    message,
  })
  const checked = schema.safeParse(plain)
  if (!checked.success) {
    throw new ConfigError(
      'SLUICE_CONFIG_INVALID',
      checked.error.issues.flatMap((issue) => unfold(issue, complain)),
    )
  }
  return { value: checked.data, complain }
}

const unfold = (
  issue: z.core.$ZodIssue,
  complain: (path: readonly PropertyKey[], message: string) => Complaint,
): Complaint[] =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => complain([...issue.path, key], 'unknown key'))
    : [complain(issue.path, issue.message)]

/** The line of the deepest existing node on the way to `path`. */
const lineOf = (document: Document, path: readonly PropertyKey[], lines: LineCounter): number => {
  for (let length = path.length; length > 0; length--) {
    const offset = keyOffset(document, path.slice(0, length))
    if (offset !== undefined) return lines.linePos(offset).line
  }
  return 1
}

const keyOffset = (document: Document, path: readonly PropertyKey[]): number | undefined => {
  const last = path.at(-1)
  const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents
  if (isMap(parent)) {
    const pair = parent.items.find((item) => String((item.key as { value?: unknown }).value) === String(last))
    return (pair?.key as Node | undefined)?.range?.[0]
  }
  return (document.getIn(path, true) as Node | undefined)?.range?.[0]
}
