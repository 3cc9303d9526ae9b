// Reports as receivers write them: delivery status notifications, complaints, aggregate reports.

export interface Original {
  readonly headers?: Readonly<Record<string, string>>
  readonly to?: string
}

const original = ({ headers = {}, to = 'anna@there.test' }: Original): string =>
  [
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'From: news@here.test',
    `To: ${to}`,
    'Subject: our news',
    '',
    '',
  ].join('\r\n')

export interface Dsn extends Original {
  readonly recipient?: string
  readonly action?: 'failed' | 'delayed' | 'delivered'
  readonly status?: string
  readonly diagnostic?: string
  readonly messageId?: string
  /** Further recipients, failed in the same way. */
  readonly others?: readonly string[]
}

let made = 0

/** RFC 3464. */
export const dsn = (parts: Dsn = {}): string => {
  const { recipient = 'anna@there.test', action = 'failed', status = '5.1.1', others = [] } = parts
  const { diagnostic = '550 5.1.1 no such user here', messageId = `<dsn-${process.pid}-${made++}@there.test>` } = parts
  const group = (address: string): string =>
    `Final-Recipient: rfc822; ${address}\r\nAction: ${action}\r\nStatus: ${status}\r\nRemote-MTA: dns; mx.there.test\r\nDiagnostic-Code: smtp; ${diagnostic}\r\n\r\n`
  return [
    'From: Mail Delivery System <MAILER-DAEMON@there.test>',
    'To: somebody@here.test',
    'Subject: Undelivered Mail Returned to Sender',
    `Message-ID: ${messageId}`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="dsn-boundary"',
    '',
    '--dsn-boundary',
    'Content-Type: text/plain',
    '',
    'Your mail could not be delivered.',
    '--dsn-boundary',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; there.test',
    '',
    [recipient, ...others].map(group).join('') + '--dsn-boundary',
    'Content-Type: message/rfc822',
    '',
    original(parts) + '--dsn-boundary--',
    '',
  ].join('\r\n')
}

export interface Arf extends Original {
  readonly type?: string
  /** Fields of the feedback part, one a line. */
  readonly fields?: readonly string[]
}

/** RFC 5965. */
export const arf = (parts: Arf = {}): string =>
  [
    'From: complaints@there.test',
    'To: fbl@here.test',
    'Subject: FW: our news',
    `Message-ID: <arf-${process.pid}-${made++}@there.test>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=feedback-report; boundary="arf-boundary"',
    '',
    '--arf-boundary',
    'Content-Type: text/plain',
    '',
    'This is an email abuse report.',
    '--arf-boundary',
    'Content-Type: message/feedback-report',
    '',
    `Feedback-Type: ${parts.type ?? 'abuse'}`,
    'User-Agent: There/1.0',
    'Version: 1',
    ...(parts.fields ?? []),
    '',
    '--arf-boundary',
    'Content-Type: message/rfc822',
    '',
    original(parts) + '--arf-boundary--',
    '',
  ].join('\r\n')

const mailWith = (subject: string, type: string, name: string, content: string): string =>
  [
    'From: reports@there.test',
    'To: reports@here.test',
    `Subject: ${subject}`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="part"',
    '',
    '--part',
    'Content-Type: text/plain',
    '',
    'A report is attached.',
    '--part',
    `Content-Type: ${type}; name="${name}"`,
    `Content-Disposition: attachment; filename="${name}"`,
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\r\n'),
    '--part--',
    '',
  ].join('\r\n')

/** RFC 7489 appendix C; times in seconds since 1970. */
export const dmarc = (begin: number, end = begin + 86_400): string =>
  mailWith(
    'Report Domain: here.test Submitter: there.test Report-ID: 1',
    'application/xml',
    `there.test!here.test!${begin}!${end}.xml`,
    `<?xml version="1.0"?><feedback><report_metadata><org_name>There</org_name><email>d@there.test</email><report_id>1</report_id><date_range><begin>${begin}</begin><end>${end}</end></date_range></report_metadata><policy_published><domain>here.test</domain><p>reject</p></policy_published>${[
      ['192.0.2.1', 12, 'pass'],
      ['192.0.2.2', 3, 'fail'],
    ]
      .map(
        ([ip, count, result]) =>
          `<record><row><source_ip>${ip}</source_ip><count>${count}</count><policy_evaluated><disposition>${result === 'pass' ? 'none' : 'reject'}</disposition><dkim>${result}</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>here.test</header_from></identifiers><auth_results><dkim><domain>here.test</domain><selector>s</selector><result>${result}</result></dkim></auth_results></record>`,
      )
      .join('')}</feedback>`,
  )

/** RFC 8460 4.4. */
export const tlsrpt = (day: string): string =>
  mailWith(
    'Report Domain: here.test Submitter: there.test Report-ID: 2',
    'application/tlsrpt+json',
    'there.test!here.test!1!2.json',
    JSON.stringify({
      'organization-name': 'There',
      'date-range': { 'start-datetime': `${day}T00:00:00Z`, 'end-datetime': `${day}T23:59:59Z` },
      'contact-info': 'tls@there.test',
      'report-id': '2',
      policies: [
        {
          policy: { 'policy-type': 'sts', 'policy-domain': 'here.test', 'mx-host': ['mx.here.test'] },
          summary: { 'total-successful-session-count': 90, 'total-failure-session-count': 10 },
          'failure-details': [{ 'result-type': 'certificate-expired', 'failed-session-count': 10 }],
        },
      ],
    }),
  )

/** RFC 3834. */
export const autoReply = (to = 'somebody@here.test'): string =>
  `From: anna@there.test\r\nTo: ${to}\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n`
