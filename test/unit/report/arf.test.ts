import { describe, expect, it } from 'vitest'

import { interpretMail, multipartMail, type Part } from './mails'

const copy: Part = {
  type: 'message/rfc822',
  body: 'Message-ID: <7@example.org>\nReturn-Path: <bounce+7@example.org>\nFeedback-ID: c1:s1:t1:example\nTo: bob@example.com\n\nhello',
}

const arf = (fields: string, more: Partial<Part> = {}, original: Part = copy) =>
  interpretMail(
    multipartMail(
      { From: 'feedback@example.net', Subject: 'complaint' },
      'multipart/report; report-type=feedback-report',
      [
        { type: 'text/plain', body: 'This is an email abuse report.' },
        { type: 'message/feedback-report', body: fields, ...more },
        original,
      ],
    ),
  )

const abuse =
  'Feedback-Type: abuse\nUser-Agent: Example/1.0\nVersion: 1\nOriginal-Rcpt-To: <bob@example.com>\nSource-IP: 192.0.2.1\nReported-Domain: example.org'

describe('feedback reports', () => {
  it('name the complaint, the complainer and our mail', () => {
    expect(arf(abuse)).toMatchObject({
      kind: 'arf',
      feedback_type: 'abuse',
      complaint: true,
      recipients: ['bob@example.com'],
      redacted: false,
      source_ip: '192.0.2.1',
      reported_domains: ['example.org'],
      original: { message_id: '<7@example.org>', return_path: 'bounce+7@example.org', feedback_id: 'c1:s1:t1:example' },
    })
  })

  it.each(['auth-failure', 'not-spam'])('of type %s are no complaints', (type) => {
    expect(arf(`Feedback-Type: ${type}\nUser-Agent: x\nVersion: 1`)).toMatchObject({
      feedback_type: type,
      complaint: false,
    })
  })

  it.each(['Fraud', 'VIRUS', 'opt-out'])('of type %s are complaints', (type) => {
    expect(arf(`Feedback-Type: ${type}\nVersion: 1`)).toMatchObject({
      feedback_type: type.toLowerCase(),
      complaint: true,
    })
  })

  it('are read when the report part is encoded', () => {
    const report = arf(Buffer.from(abuse).toString('base64'), { headers: { 'Content-Transfer-Encoding': 'base64' } })
    expect(report).toMatchObject({ kind: 'arf', recipients: ['bob@example.com'] })
  })

  it('are read with headers only, and know a redacted recipient', () => {
    const report = arf(
      'Feedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: redacted@example.com',
      {},
      { ...copy, type: 'text/rfc822-headers' },
    )
    expect(report).toMatchObject({ kind: 'arf', redacted: true, original: { message_id: '<7@example.org>' } })
  })

  it('list several recipients', () => {
    expect(arf(`${abuse}\nOriginal-Rcpt-To: eve@example.com`)).toMatchObject({
      recipients: ['bob@example.com', 'eve@example.com'],
    })
  })

  it("in Microsoft's old form are a copy of the mail with one more header", () => {
    const raw = multipartMail(
      { From: 'staff@hotmail.com', Subject: 'complaint about message from 192.0.2.1' },
      'multipart/mixed',
      [{ type: 'message/rfc822', body: `X-HmXmrOriginalRecipient: bob@hotmail.com\n${copy.body}` }],
    )
    expect(interpretMail(raw)).toMatchObject({
      kind: 'arf',
      feedback_type: 'abuse',
      complaint: true,
      recipients: ['bob@hotmail.com'],
    })
  })
})
