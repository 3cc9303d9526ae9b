// Which stream a message belongs to: the header that names one, else the first stream of the file whose every stated
// condition holds, else the default. A header naming an unknown stream is ignored: a typing error must not stop mail.

import type { EgressConfig, StreamConfig } from '../config/egress'

export interface Submission {
  /** Authenticated SMTP user. */
  readonly user?: string | undefined
  /** Domain of the envelope sender; undefined for the null sender. */
  readonly sender_domain?: string | undefined
  /** First value of a header field, trimmed; undefined where the field is absent. */
  readonly header: (name: string) => string | undefined
}

export const matchStream = (config: EgressConfig, submission: Submission): string => {
  const named = submission.header(config.headers.stream)
  if (named !== undefined && Object.hasOwn(config.streams, named)) return named
  const found = Object.entries(config.streams).find(([, stream]) => matches(stream, submission))
  return found?.[0] ?? config.default_stream
}

/** A stream without conditions is reached by name or as the default only. */
const matches = ({ match }: StreamConfig, { user, sender_domain, header }: Submission): boolean => {
  if (!match) return false
  const conditions: boolean[] = []
  if (match.user) conditions.push(user !== undefined && match.user.includes(user))
  if (match.sender_domain) {
    conditions.push(sender_domain !== undefined && match.sender_domain.some((one) => covers(one, sender_domain)))
  }
  for (const [name, value] of Object.entries(match.header ?? {})) {
    conditions.push(header(name)?.toLowerCase() === value.toLowerCase())
  }
  return conditions.length > 0 && conditions.every(Boolean)
}

const covers = (pattern: string, domain: string): boolean => {
  const lower = domain.toLowerCase()
  return pattern.startsWith('.') ? lower.endsWith(pattern) || lower === pattern.slice(1) : lower === pattern
}
