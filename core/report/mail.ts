// A received mail as the interpreters see it: headers, and the leaves of its MIME tree in order. A message/* part is a
// leaf too; what it contains is read from its text. Built by sidecar/report; nothing here knows how.

/** Header fields; names are compared without regard to case, values are unfolded and decoded (RFC 2047). */
export class Headers {
  private readonly values = new Map<string, string[]>()

  constructor(fields: Iterable<readonly [name: string, value: string]> = []) {
    for (const [name, value] of fields) {
      const key = name.toLowerCase()
      const known = this.values.get(key)
      if (known) known.push(value)
      else this.values.set(key, [value])
    }
  }

  /** The first value of the field, trimmed; empty where there is none. */
  get(name: string): string {
    return this.values.get(name)?.[0] ?? ''
  }

  all(name: string): readonly string[] {
    return this.values.get(name) ?? []
  }

  has(name: string): boolean {
    return this.values.has(name)
  }

  names(): string[] {
    return [...this.values.keys()]
  }
}

export interface MailPart {
  /** Lower case, e.g. `message/delivery-status`. */
  readonly type: string
  readonly params: Readonly<Record<string, string>>
  readonly headers: Headers
  /** File name, where the part has one. */
  readonly name: string
  /** The decoded text; for parts that are not text, their bytes as Latin-1. */
  readonly text: string
  /** The decoded bytes. */
  bytes(): Uint8Array
}

export interface Mail {
  readonly headers: Headers
  /** Type of the whole mail and its parameters. */
  readonly type: string
  readonly params: Readonly<Record<string, string>>
  readonly parts: readonly MailPart[]
}

const field = /^([!-9;-~]{1,100}?)[ \t]{0,8}:[ \t]{0,8}(.*)$/

/**
 * Parses a block of header fields up to the first empty line. A line that is no field is left out, or taken for the
 * rest of a parameter list that was folded without its white space.
 */
export const parseHeaders = (text: string, decode: (value: string) => string = (value) => value): Headers => {
  const fields: [string, string][] = []
  let last: [string, string] | undefined
  for (const line of text.split('\n')) {
    if (line === '' || line === '\r') break
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (last) last[1] += ` ${line.trim()}`
      continue
    }
    const found = field.exec(line.trimEnd())
    if (found?.[1] === undefined) {
      if (last && /[;,]$/.test(last[1])) last[1] += ` ${line.trim()}`
      continue
    }
    last = [found[1], found[2] ?? '']
    fields.push(last)
  }
  return new Headers(fields.map(([name, value]) => [name, decode(value.trim())]))
}
