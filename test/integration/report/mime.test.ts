// The MIME reader against mailparser, on the same mails: same headers, same text; and its limits.

import { SluiceError } from '@sluice/core/errors'
import { defaultLimits } from '@sluice/sidecar/report/limits'
import { readMail } from '@sluice/sidecar/report/mime'
import { simpleParser } from 'mailparser'
import { describe, expect, it } from 'vitest'

import { readMessages } from '../../../bench/corpus'
import { multipartMail, textMail } from '../../unit/report/mails'
import { corpusFolder } from './corpus'

const words = (text: string | undefined): string => (text ?? '').replace(/\s+/g, ' ').trim()

const latin = (text: string) => Buffer.from(text, 'latin1')
const mails: [string, Uint8Array][] = [
  ['plain text', textMail({ Subject: 'hello' }, 'Hello\nworld\n')],
  [
    'folded and encoded headers',
    textMail(
      {
        Subject: '=?utf-8?B?R3LDvMOfZQ==?=\n =?iso-8859-1?Q?_aus_K=F6ln?=',
        From: '=?utf-8?q?J=C3=B6rg?= <j@example.de>',
      },
      'x',
    ),
  ],
  [
    'quoted-printable',
    textMail({ Subject: 'qp', 'Content-Transfer-Encoding': 'quoted-printable' }, 'caf=C3=A9 =3D soft=\nbreak\n'),
  ],
  [
    'base64',
    textMail({ Subject: 'b64', 'Content-Transfer-Encoding': 'base64' }, Buffer.from('Grüße\n').toString('base64')),
  ],
  ['ISO-2022-JP', latin('Subject: jp\nContent-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B%a!<%k\x1b(B\n')],
  ['Latin-1', latin('Subject: l1\nContent-Type: text/plain; charset=iso-8859-1\n\nfran\xe7ais\n')],
  ['CRLF', Buffer.from('Subject: crlf\r\nContent-Type: text/plain\r\n\r\none\r\ntwo\r\n')],
  [
    'a multipart with a preamble',
    multipartMail({ Subject: 'mp' }, 'multipart/mixed', [{ type: 'text/plain', body: 'first' }]),
  ],
  [
    'a boundary that begins another',
    Buffer.from(
      'Subject: b\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: multipart/alternative; boundary="bb"\n\n--bb\nContent-Type: text/plain\n\ninner\n--bb--\n--b--\n',
    ),
  ],
]

describe('readMail', () => {
  it.each(mails)('reads what mailparser reads: %s', async (_, raw) => {
    const theirs = await simpleParser(Buffer.from(raw), { skipHtmlToText: true, skipTextToHtml: true })
    const ours = readMail(raw)
    expect(words(ours.headers.get('subject'))).toBe(words(theirs.subject))
    expect(words(ours.parts.find(({ type }) => type === 'text/plain')?.text)).toBe(words(theirs.text))
  })

  it('reads the subject and first text of every mail of the development set as mailparser does, but for broken ones', async (context) => {
    const folder = corpusFolder()
    if (!folder) return context.skip()
    const unlike: string[] = []
    const messages = readMessages(folder)
    for (const { id, raw } of messages) {
      const theirs = await simpleParser(Buffer.from(raw), { skipHtmlToText: true, skipTextToHtml: true })
      const ours = readMail(raw)
      const text = words(ours.parts.find(({ type }) => type === 'text/plain')?.text)
      const same = words(ours.headers.get('subject')) === words(theirs.subject) && words(theirs.text).startsWith(text)
      const betterRead = theirs.text?.includes('\ufffd') && !text.includes('\ufffd')
      if (!same && !betterRead) unlike.push(id)
    }
    // What differs: parts that mailparser merges or drops, a header that stands twice, a wrong charset on Latin-1.
    expect(unlike.length / messages.length).toBeLessThan(0.03)
  })

  it('keeps the parts of a report apart, where mailparser merges them', () => {
    const raw = multipartMail({ Subject: 'x' }, 'multipart/report; report-type=delivery-status', [
      { type: 'text/plain', body: 'words' },
      { type: 'message/delivery-status', body: 'Reporting-MTA: dns; mx' },
      { type: 'message/rfc822', body: 'Subject: inner\n\ninner text' },
    ])
    expect(readMail(raw).parts.map(({ type, text }) => `${type}: ${words(text)}`)).toEqual([
      'text/plain: words',
      'message/delivery-status: Reporting-MTA: dns; mx',
      'message/rfc822: Subject: inner inner text',
    ])
  })

  it('survives what is broken: no boundary, no end, no header, nothing', () => {
    expect(readMail(Buffer.from('Content-Type: multipart/mixed; boundary=x\n\nno parts')).parts).toHaveLength(1)
    expect(readMail(Buffer.from('Content-Type: multipart/mixed\n\n--x\n\ntext')).parts[0]?.type).toBe('text/plain')
    expect(readMail(Buffer.from('Content-Type: multipart/mixed; boundary=x\n\n--x\n\ncut off')).parts[0]?.text).toBe(
      'cut off',
    )
    expect(readMail(Buffer.from('')).parts).toHaveLength(1)
    expect(readMail(Buffer.from('From alice Thu Jan 1 00:00:00 1970\nSubject: mbox\n\nx')).headers.get('subject')).toBe(
      'mbox',
    )
  })
})

const coded = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof SluiceError) return error.code
    throw error
  }
  return 'no error'
}

describe('limits', () => {
  const nested = (levels: number): Uint8Array => {
    let body = 'Content-Type: text/plain\n\ndeep'
    for (let level = 0; level < levels; level++) {
      body = `Content-Type: multipart/mixed; boundary=b${level}x\n\n--b${level}x\n${body}\n--b${level}x--\n`
    }
    return Buffer.from(body)
  }
  const parts = (count: number) =>
    multipartMail(
      {},
      'multipart/mixed',
      Array.from({ length: count }, () => ({ type: 'text/plain', body: 'x' })),
    )

  it.each([
    ['size', () => readMail(Buffer.alloc(101, 'x'), { ...defaultLimits, bytes: 100 })],
    ['depth', () => readMail(nested(20))],
    ['parts', () => readMail(parts(600))],
    ['header', () => readMail(Buffer.from(`Subject: ${'x'.repeat(300_000)}\n\n`))],
  ])('of %s end in a coded error', (_, work) => {
    expect(coded(work)).toBe('SLUICE_REPORT_LIMIT')
  })

  it('are wide enough for honest mail', () => {
    expect(coded(() => readMail(nested(8)))).toBe('no error')
    expect(coded(() => readMail(parts(400)))).toBe('no error')
  })
})
