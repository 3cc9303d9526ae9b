// npm run bench:classify
// Speed of classification and of report reading on one core, over the examples of the shipped rules and mails made from
// them, beside what a plain list of regular expressions costs in the same run. Floors: 100,000 replies/s, 4,000 mails/s.
// The last line is JSON. On real mails, which are larger, `npm run accuracy` says the speed.

import { classify, type Reply } from '@sluice/core/bounce/classify'
import { normaliseReply } from '@sluice/core/bounce/reply'
import { signatureOf } from '@sluice/core/bounce/signature'
import { interpret } from '@sluice/core/report/interpret'
import { readMail } from '@sluice/sidecar/report/mime'

import { shippedRules } from './corpus'
import { figure, sayFigures } from './parts/figures'
import { speedOf } from './predict'

const floors = { replies: 100_000, mails: 4000 }

const started = performance.now()
const rules = shippedRules()
const compiled_ms = performance.now() - started

const replies: Reply[] = rules.rules.map(({ rule }) => ({
  code: rule.given?.code ?? 0,
  text: rule.example,
  provider: rule.given?.provider,
  phase: rule.given?.phase,
}))

/** The rival: every pattern of every rule as its own regular expression, in order, until one matches. */
const plainList = rules.rules.flatMap(({ rule }) => (rule.any ?? rule.all ?? []).map((source) => new RegExp(source)))

const crlf = (lines: readonly string[]): Uint8Array => Buffer.from(lines.join('\r\n'))

const withFields = (reply: string, n: number): Uint8Array =>
  crlf([
    'Return-Path: <>',
    'From: MAILER-DAEMON@mx.example.net (Mail Delivery System)',
    'To: sender@example.org',
    'Subject: Undelivered Mail Returned to Sender',
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'This is the mail system at host mx.example.net.',
    '',
    `<user${n}@example.com>: host mx1.example.com[192.0.2.25] said: ${reply} (in reply to RCPT TO command)`,
    '',
    '--b1',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example.net',
    '',
    `Final-Recipient: rfc822; user${n}@example.com`,
    'Action: failed',
    'Status: 5.0.0',
    `Diagnostic-Code: smtp; ${reply}`,
    '',
    '--b1',
    'Content-Type: message/rfc822',
    '',
    'From: sender@example.org',
    `To: user${n}@example.com`,
    `Message-ID: <${n}@example.org>`,
    'Subject: hello',
    '',
    'text of the mail. '.repeat(100),
    '--b1--',
    '',
  ])

const inWords = (reply: string, n: number): Uint8Array =>
  crlf([
    'From: MAILER-DAEMON@mx.example.net',
    'To: sender@example.org',
    'Subject: failure notice',
    '',
    'Hi. This is the qmail-send program at mx.example.net.',
    "I'm afraid I wasn't able to deliver your message to the following addresses.",
    "This is a permanent error; I've given up. Sorry it didn't work out.",
    '',
    `<user${n}@example.com>:`,
    `192.0.2.25 failed after I sent the message. Remote host said: ${reply}`,
    '',
    '--- Below this line is a copy of the message.',
    '',
    'From: sender@example.org',
    `Message-ID: <${n}@example.org>`,
    '',
    'text of the mail. '.repeat(100),
  ])

const mails = rules.rules.map(({ rule }, n) => (n % 2 === 0 ? withFields : inWords)(rule.example, n))

const each =
  <T>(all: readonly T[], work: (one: T) => unknown) =>
  (): void => {
    for (const one of all) work(one)
  }

const classified = speedOf(
  each(replies, (reply) => classify(rules, reply)),
  replies.length,
)
const listed = speedOf(
  each(replies, (reply) => {
    const { text } = normaliseReply(reply)
    return plainList.find((pattern) => pattern.test(text))
  }),
  replies.length,
)
const signed = speedOf(each(replies, signatureOf), replies.length)
const read = speedOf(
  each(mails, (mail) => interpret(readMail(mail), rules)),
  mails.length,
)

const say = (what: string, speed: number, note = ''): void => {
  console.log(`${what.padEnd(34)} ${Math.round(speed).toLocaleString('en').padStart(10)}/s  ${note}`)
}
console.log(`${rules.rules.length} rules, ${plainList.length} patterns, compiled in ${Math.round(compiled_ms)} ms`)
say('replies classified', classified, `floor ${floors.replies.toLocaleString('en')}`)
say('the same by a list of patterns', listed, `${(classified / listed).toFixed(1)} times slower`)
say('signatures', signed)
say('reports read', read, `floor ${floors.mails.toLocaleString('en')}`)
const measured = { bench: 'classify: replies', ours: classified, unit: 'replies/s' }
sayFigures([
  figure('more', { ...measured, against: 'limit', theirs: floors.replies }),
  figure('more', { ...measured, against: 'the same patterns as a list', theirs: listed }),
  figure('more', { bench: 'classify: mails', ours: read, against: 'limit', theirs: floors.mails, unit: 'mails/s' }),
])
if (classified < floors.replies || read < floors.mails) process.exitCode = 1
