import { readStatusFields } from '@sluice/core/report/dsn'
import { describe, expect, it } from 'vitest'

import { interpretMail, multipartMail, statusMail } from './mails'

const recipientsOf = (raw: Uint8Array) => {
  const report = interpretMail(raw)
  if (report.kind !== 'dsn') throw new Error(`read as ${report.kind}`)
  return report.recipients
}

const failed = (recipient: string, diagnostic: string, status = '5.0.0') =>
  `Final-Recipient: rfc822; ${recipient}\nAction: failed\nStatus: ${status}\nDiagnostic-Code: smtp; ${diagnostic}`

describe('a delivery report with fields', () => {
  it('gives one entry per recipient, each with its own verdict', () => {
    const recipients = recipientsOf(
      statusMail([
        failed('bob@example.com', '550 5.1.1 User unknown', '5.1.1'),
        failed('eve@example.com', '552 5.2.2 Mailbox full', '5.2.2'),
      ]),
    )
    expect(recipients).toMatchObject([
      {
        recipient: 'bob@example.com',
        action: 'failed',
        status: '5.1.1',
        code: 550,
        verdict: { class: 'invalid_recipient', hard: true },
      },
      { recipient: 'eve@example.com', status: '5.2.2', verdict: { class: 'mailbox_full', hard: false } },
    ])
  })

  it('names the recipient as the sender addressed it', () => {
    const [only] = recipientsOf(
      statusMail([
        'Original-Recipient: rfc822;sales@example.com\nFinal-Recipient: rfc822; bob@inside.example.com\nAction: failed\nStatus: 5.1.1',
      ]),
    )
    expect(only).toMatchObject({ recipient: 'sales@example.com', final_recipient: 'bob@inside.example.com' })
  })

  it('takes the words of the report where the diagnostic field says nothing', () => {
    const words = '<bob@example.com>: host mx.example.com[192.0.2.25] said: 550 5.7.1\n    message content rejected'
    const [only] = recipientsOf(statusMail([failed('bob@example.com', '550')], words))
    expect(only?.verdict.class).toBe('spam_content')
  })

  it('tells delayed from failed, and delivered from both', () => {
    const fields = (action: string) =>
      `Final-Recipient: rfc822; bob@example.com\nAction: ${action}\nStatus: 4.4.1\nDiagnostic-Code: smtp; 421 Connection timed out`
    expect(recipientsOf(statusMail([fields('delayed')]))[0]).toMatchObject({
      action: 'delayed',
      verdict: { class: 'connection_failure', permanent: false },
    })
    expect(recipientsOf(statusMail([fields('failed')]))[0]).toMatchObject({
      action: 'failed',
      verdict: { permanent: true },
    })
    expect(recipientsOf(statusMail([fields('relayed')]))[0]?.verdict.class).toBe('delivered')
  })

  it('makes a temporary refusal hard once delivery has failed for good', () => {
    const [only] = recipientsOf(statusMail([failed('bob@example.com', '450 4.1.1 User unknown', '4.1.1')]))
    expect(only?.verdict).toMatchObject({ class: 'invalid_recipient', hard: true })
  })

  it('knows the exit status of a local mailer', () => {
    const [only] = recipientsOf(
      statusMail([
        'Final-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: x-unix; 67',
      ]),
    )
    expect(only?.verdict.class).toBe('invalid_recipient')
  })

  it('carries what leads back to our mail', () => {
    const report = interpretMail(statusMail([failed('bob@example.com', '550 no')]))
    expect(report).toMatchObject({
      kind: 'dsn',
      reporting_mta: 'mx.example.net',
      original: { message_id: '<1@example.org>', envelope_id: 'env-1', to: ['bob@example.com'] },
    })
  })

  it('finds the fields in a text part, too', () => {
    const raw = multipartMail(
      { From: 'MAILER-DAEMON@mx.example.net', Subject: 'Delivery Status Notification (Failure)' },
      'multipart/mixed',
      [
        {
          type: 'text/plain',
          body: `Technical report:\n\nReporting-MTA: dns; mx.example.net\n\n${failed('bob@example.com', '550 5.2.2 Mailbox Full', '5.2.2')}`,
        },
      ],
    )
    expect(recipientsOf(raw)).toMatchObject([
      { recipient: 'bob@example.com', status: '5.2.2', verdict: { class: 'mailbox_full' } },
    ])
  })

  it('reads encoded delivery-status parts', () => {
    const body = Buffer.from(
      `Reporting-MTA: dns; mx.example.net\n\n${failed('bob@example.com', '550 5.1.1 User unknown')}\n`,
    ).toString('base64')
    const raw = multipartMail(
      { From: 'MAILER-DAEMON@mx.example.net', Subject: 'failure' },
      'multipart/report; report-type=delivery-status',
      [{ type: 'message/delivery-status', headers: { 'Content-Transfer-Encoding': 'base64' }, body }],
    )
    expect(recipientsOf(raw)).toMatchObject([{ recipient: 'bob@example.com' }])
  })
})

describe('readStatusFields', () => {
  it.each([
    [
      'no empty line between recipients',
      'Final-Recipient: rfc822; a@x.test\nAction: failed\nFinal-Recipient: rfc822; b@x.test\nAction: failed',
    ],
    [
      'empty lines inside a group',
      'Final-Recipient: rfc822; a@x.test\nAction: failed\n\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; b@x.test\nAction: failed',
    ],
    [
      'action first',
      'Action: failed\nFinal-Recipient: rfc822; a@x.test\n\nAction: failed\nFinal-Recipient: rfc822; b@x.test',
    ],
    [
      'odd types and brackets',
      'Final-Recipient: RFC/822;<a@x.test>\nAction: Failed (mail too old)\n\nFinal-Recipient : utf-8 ; b@x.test\nAction:failed',
    ],
  ])('tolerates %s', (_, text) => {
    const { groups } = readStatusFields(`Reporting-MTA: dns; mx\n\n${text}\n`)
    expect(groups.map(({ recipient, action }) => `${recipient} ${action ?? ''}`)).toEqual([
      'a@x.test failed',
      'b@x.test failed',
    ])
  })

  it('unfolds long diagnostics, also where the continuation is not indented', () => {
    const { groups } = readStatusFields(
      'Final-Recipient: rfc822; a@x.test\nDiagnostic-Code: smtp; 550 one\n  two\nthree\nAction: failed\n',
    )
    expect(groups[0]?.diagnostics).toEqual(['smtp; 550 one two three'])
  })
})
