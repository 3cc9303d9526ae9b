// SMTP replies written as data: "421 4.7.0 [TSS04] Messages from {ip} temporarily deferred". A line break in the text
// makes a multi-line reply. Compiled once, filled in per use; what is filled in can never break a line.

import { z } from 'zod'

/** What a placeholder may name. */
export interface ReplyFacts {
  /** client IP address */
  readonly ip: string
  /** its /24 */
  readonly netblock: string
  /** MX host name spoken to */
  readonly host: string
  readonly ehlo: string
  readonly sender: string
  readonly recipient: string
  /** id of the transaction, unique in the lab */
  readonly id: string
  /** ms since 1970 */
  readonly now: number
}

export interface Reply {
  readonly code: number
  /** RFC 3463; empty where the receiver gives none */
  readonly enhanced: string
  /** As a client sees it: all lines with code and enhanced code, joined by a newline. */
  readonly text: string
  /** As it goes over the wire, final CRLF included. */
  readonly wire: string
}

export type ReplyTemplate = (facts: ReplyFacts) => Reply

const form = /^([2345]\d\d)(?: ([245]\.\d{1,3}\.\d{1,3}))?(?: ([^]*))?$/
const placeholder = /\{(ip|netblock|host|ehlo|sender|recipient|id|time|seconds)\}/g
const anyBrace = /\{([^}]*)\}/g

const fill: Readonly<Record<string, (facts: ReplyFacts) => string>> = {
  ip: (f) => f.ip,
  netblock: (f) => f.netblock,
  host: (f) => f.host,
  ehlo: (f) => f.ehlo,
  sender: (f) => f.sender,
  recipient: (f) => f.recipient,
  id: (f) => f.id,
  seconds: (f) => String(Math.floor(f.now / 1000)),
  time: (f) => new Date(f.now).toUTCString(),
}

/** The YAML form of a reply: code, optional enhanced code of the same class, text with known placeholders. */
export const replyText = z
  .string()
  .max(2000)
  .superRefine((text, check) => {
    const parts = form.exec(text.trimEnd())
    if (!parts) {
      check.addIssue({
        code: 'custom',
        message: 'not a reply: "CODE [X.Y.Z] text", for example "550 5.1.1 no such user"',
      })
      return
    }
    const [, code, enhanced] = parts
    if (enhanced !== undefined && enhanced[0] !== code?.[0]) {
      check.addIssue({
        code: 'custom',
        message: `enhanced code ${enhanced} does not agree with ${code ?? ''} (RFC 3463)`,
      })
    }
    for (const [, name] of text.matchAll(anyBrace)) {
      if (!fill[name ?? '']) check.addIssue({ code: 'custom', message: `unknown placeholder {${name ?? ''}}` })
    }
  })

/** A refusal: 4xx or 5xx. */
export const refusalText = replyText.refine((text) => /^[45]/.test(text), 'a refusal begins with 4 or 5')

// eslint-disable-next-line no-control-regex -- control characters are what is being removed
const control = /[\u0000-\u001f\u007f]/g

/** `text` must have passed `replyText`. */
export const compileReply = (text: string): ReplyTemplate => {
  const [, digits = '', enhanced = '', rest = ''] = form.exec(text.trimEnd()) ?? []
  const code = Number(digits)
  const lines = rest.split('\n')
  const shell = lines.map(
    (line, i) => `${digits}${i < lines.length - 1 ? '-' : ' '}${enhanced && `${enhanced} `}${line}`,
  )
  const template = shell.map((line) => line.trimEnd()).join('\n')
  if (template.search(placeholder) < 0) {
    const reply = finish(code, enhanced, template)
    return () => reply
  }
  return (facts) =>
    finish(
      code,
      enhanced,
      template.replace(placeholder, (_, name: string) => (fill[name]?.(facts) ?? '').replace(control, ' ')),
    )
}

const finish = (code: number, enhanced: string, text: string): Reply => ({
  code,
  enhanced,
  text,
  wire: `${text.replaceAll('\n', '\r\n')}\r\n`,
})
