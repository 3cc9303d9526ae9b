// A refusal as it is handed in, and the form the rules see: one line of lower-case text without codes and addresses.
// Bounded: only the first 2,000 characters are read, whatever was sent.

import type { Phase } from '../outcome/record'

export interface Reply {
  /** SMTP reply code; 0 where there was none. */
  readonly code: number
  /** Enhanced status code (RFC 3463); found in the text where absent. */
  readonly enhanced?: string | undefined
  /** Reply lines, with or without their codes, or a local reason (`connect ECONNREFUSED …`). */
  readonly text: string | readonly string[]
  readonly phase?: Phase | undefined
  /** Id of the receiving provider, where known. */
  readonly provider?: string | undefined
  /** Whether the attempt is over; default: by the code. */
  readonly permanent?: boolean | undefined
}

export interface NormalReply {
  code: number
  /** First digit of the enhanced code, 0 where there is none. */
  enhancedClass: number
  /** `subject.detail` of the enhanced code, such as `1.1`; empty where there is none. */
  enhancedDetail: string
  text: string
  permanent: boolean
}

export const maxTextLength = 2000

const leading = /^\s{0,9}(?:([2-5]\d\d)(?:[ -]|$))?\s{0,9}(?:#?([245]\.\d{1,3}\.\d{1,3})(?=[\s:;,)\]]|$))?[\s:-]{0,9}/
const anywhere = /(?:^|[\s(#[:<=])([45]\.\d{1,3}\.\d{1,3})(?=[\s)\]:;,>-]|\.?$)/
const untidy = /[\u0080-\uffff\t\r\n]| {2}/

/** Characters of a mail address beside letters and digits: local part, domain. */
const isLocal = inAddress("!#$%&'*+/=?^_`{|}~.-")
const isDomain = inAddress('.-_')

function inAddress(marks: string): Uint8Array {
  const table = new Uint8Array(128)
  for (const char of `abcdefghijklmnopqrstuvwxyz0123456789${marks}`) table[char.charCodeAt(0)] = 1
  return table
}

/** `@` in place of every mail address. Linear: a character is looked at twice at most. */
const maskAddresses = (text: string): string => {
  let masked = ''
  let done = 0
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', Math.max(at + 1, done))) {
    let start = at
    while (start > done && isLocal[text.charCodeAt(start - 1)] === 1) start--
    let end = at + 1
    while (end < text.length && isDomain[text.charCodeAt(end)] === 1) end++
    while (end > at + 1 && text.charCodeAt(end - 1) === 0x2e) end--
    if (start === at || end === at + 1) continue
    masked += `${text.slice(done, start)}@`
    done = end
  }
  return done === 0 ? text : masked + text.slice(done)
}

/** Lower case, one space between words, straight quotes, `@` in place of mail addresses. */
export const normaliseText = (text: string): string => {
  let normal = text.length > maxTextLength ? text.slice(0, maxTextLength) : text
  if (untidy.test(normal)) normal = normal.replace(/[\u2018\u2019\u201b\u00b4]/g, "'").replace(/\s{1,2000}/g, ' ')
  normal = normal.toLowerCase()
  return maskAddresses(normal)
}

/** The reply as the rules see it. */
export const normaliseReply = (reply: Reply): NormalReply => {
  const lines = typeof reply.text === 'string' ? [reply.text] : reply.text
  let code = reply.code
  let enhanced = reply.enhanced ?? ''
  let joined = ''
  for (const line of lines) {
    if (joined.length > maxTextLength) break
    const head = leading.exec(line)
    if (head) {
      if (code === 0 && head[1]) code = Number(head[1])
      if (!enhanced && head[2]) enhanced = head[2]
    }
    const rest = head ? line.slice(head[0].length) : line
    joined = joined ? `${joined} ${rest}` : rest
  }
  if (!enhanced && joined.includes('.')) enhanced = anywhere.exec(joined)?.[1] ?? ''
  const enhancedClass = enhanced.charCodeAt(0) - 48
  const known = enhancedClass >= 2 && enhancedClass <= 5
  return {
    code,
    enhancedClass: known ? enhancedClass : 0,
    enhancedDetail: known ? enhanced.slice(2) : '',
    text: normaliseText(joined),
    permanent: reply.permanent ?? (code > 0 ? code >= 500 : enhancedClass === 5),
  }
}
