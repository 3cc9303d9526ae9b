// SMTP commands as values (RFC 5321 4.1). Pure. Addresses are taken as they come: a receiver lab judges them by its
// behaviours, not by their syntax, as long as they are one path in angle brackets.

export interface Command {
  /** upper case */
  readonly verb: string
  readonly rest: string
}

export interface Path {
  readonly address: string
  /** upper-case keyword to value; `true` where there is none */
  readonly parameters: ReadonlyMap<string, string | true>
}

export const parseCommand = (line: string): Command => {
  const space = line.indexOf(' ')
  const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase()
  return { verb, rest: space < 0 ? '' : line.slice(space + 1).trim() }
}

const pathForm = /^(FROM|TO):[ ]*<(?:@[^<>:]*:)?([^<>]*)>(?: +(.*))?$/i

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const control = /[\u0000-\u001f\u007f]/

/** The path of MAIL (`from`) or RCPT (`to`); undefined where the syntax is wrong. */
export const parsePath = (rest: string, direction: 'FROM' | 'TO'): Path | undefined => {
  const [, word = '', address = '', tail = ''] = pathForm.exec(rest) ?? []
  if (word.toUpperCase() !== direction || address.length > 320 || control.test(rest)) return undefined
  if (direction === 'TO' && address === '') return undefined
  const parameters = new Map<string, string | true>()
  for (const parameter of tail.split(' ').filter(Boolean)) {
    const [keyword = '', ...value] = parameter.split('=')
    parameters.set(keyword.toUpperCase(), value.length > 0 ? value.join('=') : true)
  }
  return { address, parameters }
}

/** The /24 of an IPv4 address. */
export const netblockOf = (ip: string): string => `${ip.slice(0, ip.lastIndexOf('.'))}.0/24`
