// What a submitter writes into a header field becomes a name in records, columns and metrics: one line of printable
// text, bounded.

const longest = 128
const firstCodePoints = /^.{0,128}/u

/**
 * The value of a header field as a name: unfolded, control characters gone, white space single, at most 128
 * characters. Empty where nothing is left.
 */
export const cleanName = (value: string): string => {
  // Bounded before anything is searched: a header may be megabytes long.
  const line = value.slice(0, longest * 8).replace(/[\p{C}\s]+/gu, ' ')
  return firstCodePoints.exec(line.trim())?.[0].trim() ?? ''
}

/** A Message-ID header (RFC 5322 3.6.4) without angle brackets and comments; empty where it is not one. */
export const cleanMessageId = (value: string): string => {
  const bounded = value.slice(0, 2048)
  const bracketed = /<([^<>]*)>/.exec(bounded)?.[1] ?? bounded
  return bracketed.replace(/[\p{C}\s]+/gu, '').slice(0, 998)
}
