// Mails for the report tests, built from what matters in them.

import { interpret } from '@sluice/core/report/interpret'
import { readMail } from '@sluice/sidecar/report/mime'

import { shippedRules } from '../bounce/rules'

export interface Part {
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

const fields = (headers: Readonly<Record<string, string>>): string =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')

export const textMail = (headers: Readonly<Record<string, string>>, body: string): Uint8Array =>
  Buffer.from(
    `${fields({ To: 'alice@example.org', 'Content-Type': 'text/plain; charset=utf-8', ...headers })}\n${body}`,
  )

export const multipartMail = (
  headers: Readonly<Record<string, string>>,
  type: string,
  parts: readonly Part[],
): Uint8Array => {
  const body = parts.map((part) => `--b0\n${fields({ 'Content-Type': part.type, ...part.headers })}\n${part.body}\n`)
  return Buffer.from(
    `${fields({ To: 'alice@example.org', ...headers, 'Content-Type': `${type}; boundary="b0"` })}\n${body.join('')}--b0--\n`,
  )
}

const rules = shippedRules()

export const interpretMail = (raw: Uint8Array) => interpret(readMail(raw), rules)

/** A delivery report with these per-recipient fields. */
export const statusMail = (
  recipients: readonly string[],
  words = 'This is the mail system.',
  copy = 'Message-ID: <1@example.org>\nTo: bob@example.com\n\nhello',
): Uint8Array =>
  multipartMail(
    { From: 'MAILER-DAEMON@mx.example.net', Subject: 'Undelivered Mail Returned to Sender' },
    'multipart/report; report-type=delivery-status',
    [
      { type: 'text/plain', body: words },
      {
        type: 'message/delivery-status',
        body: `Reporting-MTA: dns; mx.example.net\nOriginal-Envelope-Id: env-1\n\n${recipients.join('\n\n')}\n`,
      },
      { type: 'message/rfc822', body: copy },
    ],
  )
