// Bytes to text: transfer encodings (RFC 2045), charsets, encoded words (RFC 2047). Never fails: an unknown charset is
// read as UTF-8 if it is that, else as Windows-1252, so that the ASCII words of a report always come through.

import { TextDecoder } from 'node:util'

const decoders = new Map<string, TextDecoder | undefined>()
const maxDecoders = 64
const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
const strictEucJp = new TextDecoder('euc-jp', { fatal: true })
const strictShiftJis = new TextDecoder('shift_jis', { fatal: true })
const western = new TextDecoder('windows-1252')

const decoderOf = (charset: string): TextDecoder | undefined => {
  if (decoders.has(charset)) return decoders.get(charset)
  let decoder: TextDecoder | undefined
  try {
    decoder = new TextDecoder(charset)
  } catch {
    decoder = undefined // a label that the platform does not know; the caller falls back
  }
  if (decoders.size < maxDecoders) decoders.set(charset, decoder)
  return decoder
}

const high = /[\u0080-\u00ff]/
const escape = String.fromCharCode(27)

/** Bytes beyond ASCII, or the escape character that ISO-2022 charsets begin with. */
const needsDecoding = (bytes: string): boolean => high.test(bytes) || bytes.includes(escape)

/** Charsets without a byte beyond ASCII: where there is one all the same, the label is wrong and the text mostly UTF-8. */
const sevenBit = /^(?:us-ascii|ascii|ansi_x3|iso-2022|iso646|hz-gb|utf-7)/

/** @param latin1 the bytes, one per character */
export const decodeCharset = (latin1: string, charset: string): string => {
  if (!needsDecoding(latin1)) return latin1
  const bytes = Buffer.from(latin1, 'latin1')
  const label = charset.trim().toLowerCase() || 'utf-8'
  const decoder = decoderOf(label)
  const believed = decoder && decoder.encoding !== 'utf-8' && !(sevenBit.test(label) && high.test(latin1))
  if (believed) return decoder.decode(bytes)
  const guesses = label.startsWith('iso-2022-jp') ? [strictUtf8, strictEucJp, strictShiftJis] : [strictUtf8]
  for (const guess of guesses) {
    try {
      return guess.decode(bytes)
    } catch {
      continue // not this one
    }
  }
  return (decoder && decoder.encoding !== 'utf-8' ? decoder : western).decode(bytes)
}

/** Undoes quoted-printable; broken escapes stay as they are. */
export const decodeQuotedPrintable = (text: string): string =>
  text
    .replace(/[ \t]{1,200}$/gm, '')
    .replace(/=\n/g, '')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))

/** Undoes the transfer encoding; bytes one per character. */
export const decodeTransfer = (body: string, encoding: string): string => {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return Buffer.from(body, 'base64').toString('latin1')
    case 'quoted-printable':
      return body.includes('=') ? decodeQuotedPrintable(body) : body
    default:
      return body
  }
}

const encodedWord = /=\?([^?\s]{1,60})\?([bq])\?([^?]{0,2000})\?=/gi

const wordBytes = (form: string, text: string): string =>
  form.toLowerCase() === 'b'
    ? Buffer.from(text, 'base64').toString('latin1')
    : decodeQuotedPrintable(text.replaceAll('_', ' '))

/**
 * A header value with its encoded words decoded. White space between two of them is left out, and words of one charset
 * are joined before they are decoded: some senders split a character between two words.
 */
export const decodeWords = (value: string): string => {
  if (!value.includes('=?')) return needsDecoding(value) ? decodeCharset(value, 'utf-8') : value
  let decoded = ''
  let pending = { charset: '', bytes: '' }
  let done = 0
  const flush = (): void => {
    decoded += decodeCharset(pending.bytes, pending.charset)
    pending = { charset: '', bytes: '' }
  }
  for (const found of value.matchAll(encodedWord)) {
    const [whole, label = '', form = '', text = ''] = found
    const between = value.slice(done, found.index)
    const charset = (label.split('*')[0] ?? '').toLowerCase()
    const adjoins = done > 0 && between.trim() === ''
    if (!adjoins || charset !== pending.charset) flush()
    if (!adjoins) decoded += between
    pending = { charset, bytes: pending.bytes + wordBytes(form, text) }
    done = found.index + whole.length
  }
  flush()
  return decoded + value.slice(done)
}
