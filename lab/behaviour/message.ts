// Reads header fields (RFC 5322) from the beginning of a message as it came over the wire.

const headerEnd = Buffer.from('\r\n\r\n')

const patterns = new Map<string, RegExp>()

/** One field per line: the value runs on over lines that begin with white space. */
const patternOf = (name: string): RegExp => {
  const known = patterns.get(name)
  if (known) return known
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const pattern = new RegExp(`(?:^|\\r\\n)${escaped}[ \\t]*:((?:[^\\r\\n]|\\r\\n[ \\t])*)`, 'i')
  patterns.set(name, pattern)
  return pattern
}

/** Value of the first field of that name, unfolded and trimmed. */
export const headerValue = (begin: Buffer, name: string): string | undefined => {
  const end = begin.indexOf(headerEnd)
  const head = begin.toString('latin1', 0, end < 0 ? begin.length : end)
  return patternOf(name)
    .exec(head)?.[1]
    ?.replace(/\r\n([ \t])/g, '$1')
    .trim()
}

/** Message-ID without angle brackets; empty where there is none. */
export const messageIdOf = (begin: Buffer): string => (headerValue(begin, 'message-id') ?? '').replace(/^<|>$/g, '')
