// What a server offers in its reply to EHLO (RFC 5321 4.1.1.1).

import type { Reply } from './reply'

export interface Extensions {
  readonly starttls: boolean
  readonly pipelining: boolean
  readonly eightBitMime: boolean
  readonly smtpUtf8: boolean
  /** RFC 1870: undefined = not offered, 0 = no fixed limit, else bytes. */
  readonly size: number | undefined
  /** Mechanisms, upper case. */
  readonly auth: readonly string[]
}

export const noExtensions: Extensions = {
  starttls: false,
  pipelining: false,
  eightBitMime: false,
  smtpUtf8: false,
  size: undefined,
  auth: [],
}

export const readExtensions = (reply: Reply): Extensions => {
  const offered = new Map<string, string>()
  for (const line of reply.lines.slice(1)) {
    // Some servers still write AUTH=LOGIN, for clients of the last century.
    const [keyword = '', ...parameters] = line
      .slice(4)
      .trim()
      .replace(/^AUTH=/i, 'AUTH ')
      .split(/\s+/)
    const key = keyword.toUpperCase()
    offered.set(key, [offered.get(key), ...parameters].filter(Boolean).join(' '))
  }
  const size = offered.get('SIZE')
  return {
    starttls: offered.has('STARTTLS'),
    pipelining: offered.has('PIPELINING'),
    eightBitMime: offered.has('8BITMIME'),
    smtpUtf8: offered.has('SMTPUTF8'),
    size: size === undefined ? undefined : Number(/^\d+$/.exec(size)?.[0] ?? 0),
    auth: (offered.get('AUTH') ?? '').toUpperCase().split(' ').filter(Boolean),
  }
}
