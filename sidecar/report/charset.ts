// Bytes to text: transfer encodings (RFC 2045) and encoded words (RFC 2047) by mailparser's libqp and libmime, charsets
// by the platform. Never fails: an unknown or wrong charset is read as UTF-8 if it is that, else as Windows-1252, so that
// the ASCII words of a report always come through.

import { TextDecoder } from 'node:util'

import libmime from 'libmime'
import { decode as decodeQuotedPrintable } from 'libqp'

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

/** Undoes the transfer encoding; bytes one per character. */
export const decodeTransfer = (body: string, encoding: string): string => {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return Buffer.from(body, 'base64').toString('latin1')
    case 'quoted-printable':
      return body.includes('=') ? decodeQuotedPrintable(body).toString('latin1') : body
    default:
      return body
  }
}

/** A header value as text, its encoded words decoded. */
export const decodeHeader = (latin1: string): string => {
  const value = needsDecoding(latin1) ? decodeCharset(latin1, 'utf-8') : latin1
  return value.includes('=?') ? libmime.decodeWords(value) : value
}
