// What is taken for what: ordinary mail must never become a bounce or a complaint.

import { describe, expect, it } from 'vitest'

import { interpretMail, multipartMail, textMail } from './mails'

const kindOf = (raw: Uint8Array): string => interpretMail(raw).kind
const from = 'Carol <carol@example.com>'

describe('ordinary mail', () => {
  it.each([
    ['a letter', { From: from, Subject: 'lunch?' }, 'Shall we meet at noon?'],
    [
      'a parcel that could not be delivered',
      { From: 'shop@example.com', Subject: 'Delivery failed: your parcel' },
      'We were unable to deliver your parcel. Call us or write to help@shop.example.com to rearrange.',
    ],
    [
      'a talk about bounces',
      { From: from, Subject: 'Re: mail delivery problem' },
      'I got "550 5.1.1 User unknown" when I wrote to bob@example.com. Can you look?',
    ],
    [
      'a mail about quotas',
      { From: 'it@example.com', Subject: 'Mailbox quota warning' },
      'Your mailbox is nearly full. Please delete old mail.',
    ],
    [
      'a newsletter on delivery',
      { From: 'news@example.com', Subject: 'Email delivery report: how to fight rejected mail' },
      'Ten tips so that your mail is not rejected.',
    ],
    [
      'an order in Russian',
      { From: 'shop@example.ru', Subject: 'Доставка заказа 550' },
      'Ваш заказ 550 - доставка завтра. Пишите на help@example.ru.',
    ],
    [
      'an unsubscribe mail',
      { From: from, Subject: 'unsubscribe', 'Auto-Submitted': 'auto-replied' },
      'Apple Mail sent this email to unsubscribe.',
    ],
    ['an empty mail', {}, ''],
  ])('stays ordinary: %s', (_, headers, body) => {
    expect(kindOf(textMail(headers, body))).toBe('other')
  })

  it('stays ordinary where it forwards a bounce', () => {
    const raw = multipartMail({ From: from, Subject: 'Fwd: your mail came back' }, 'multipart/mixed', [
      { type: 'text/plain', body: 'See below, what shall I do?' },
      {
        type: 'message/rfc822',
        body: 'From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n\n<bob@example.com>:\n550 User unknown',
      },
    ])
    expect(kindOf(raw)).toBe('other')
  })

  it('a read receipt is no bounce', () => {
    const raw = multipartMail(
      { From: from, Subject: 'Read: hello' },
      'multipart/report; report-type=disposition-notification',
      [
        { type: 'text/plain', body: 'Your message was displayed.' },
        {
          type: 'message/disposition-notification',
          body: 'Final-Recipient: rfc822; carol@example.com\nDisposition: manual-action/MDN-sent-manually; displayed',
        },
      ],
    )
    expect(kindOf(raw)).toBe('other')
  })
})

describe('auto-replies', () => {
  it.each([
    ['by RFC 3834', { From: from, Subject: 'Re: hello', 'Auto-Submitted': 'auto-replied' }, 'Thank you for your mail.'],
    ['by subject', { From: from, Subject: 'Automatic reply: hello' }, 'Thanks.'],
    ['by words', { From: from, Subject: 'Re: hello' }, 'I am out of the office until Monday.'],
    ['by precedence', { From: from, Subject: 'Auto reply', Precedence: 'auto_reply' }, 'Gracias.'],
    ['in German', { From: from, Subject: 'Abwesenheitsnotiz' }, 'Ich bin im Urlaub.'],
    [
      'with a null return path',
      { 'Return-Path': '<>', From: from, Subject: 'Out of office' },
      'I am unable to answer mail sent to me until 5 May.',
    ],
  ])('are recognised %s', (_, headers, body) => {
    expect(kindOf(textMail(headers, body))).toBe('autoreply')
  })
})

describe('aggregate reports', () => {
  it('are recognised by the name and type of their attachment', () => {
    const dmarc = multipartMail(
      { From: 'noreply@example.com', Subject: 'Report domain: example.org' },
      'multipart/mixed',
      [
        {
          type: 'application/gzip',
          headers: {
            'Content-Disposition': 'attachment; filename="example.com!example.org!1700000000!1700086400.xml.gz"',
          },
          body: '',
        },
      ],
    )
    expect(kindOf(dmarc)).toBe('dmarc')
    const tls = multipartMail(
      { From: 'noreply@example.com', Subject: 'Report' },
      'multipart/report; report-type=tlsrpt',
      [{ type: 'application/tlsrpt+gzip', body: '' }],
    )
    expect(kindOf(tls)).toBe('tlsrpt')
  })
})
