// Complaints and other feedback: ARF (RFC 5965, RFC 6591, RFC 6650) of all makers, and Microsoft's old form, which is a
// bare copy of the mail with an X-HmXmrOriginalRecipient header.

import { addressesIn, addressIn, recipientOf } from './address'
import { parseHeaders, type Headers, type Mail } from './mail'
import { originalOf } from './original'
import type { ArfReport } from './report'

const noComplaint = new Set(['auth-failure', 'not-spam', 'dmarc'])
const isRedacted =
  /^(?:\*{2,}|x{3,}|redacted|removed|hidden|suppressed|\[redacted\]|masked|anonym|\W{1,9}$)|redacted|\*{3,}/i
const original = /^(?:message\/(?:rfc822|global|partial|x-)|(?:text|message)\/rfc822-headers?)/

/** Where the complaining recipient may stand, in order of trust. */
const inFields = ['original-rcpt-to', 'removal-recipient', 'original-recipient', 'final-recipient', 'complainer']
const inOriginal = ['x-hmxmroriginalrecipient', 'x-envelope-to', 'envelope-to', 'x-rcpt-to', 'to']

/** Fields of the feedback part; also where they stand in a text part, as some makers send them. */
const feedbackFields = (mail: Mail): Headers | undefined => {
  const part =
    mail.parts.find(({ type }) => type === 'message/feedback-report') ??
    mail.parts
      .slice(0, 3)
      .find(
        ({ type, text }) =>
          /^(?:text|message|application)\//.test(type) && /^feedback-type[ \t]{0,4}:/im.test(text.slice(0, 2000)),
      )
  if (!part) return undefined
  const start = Math.max(0, part.text.search(/^[a-z][a-z-]{2,40}[ \t]{0,4}:/im))
  const fields = parseHeaders(part.text.slice(start).replace(/\n\n(?=[A-Za-z][A-Za-z-]{2,40}:)/g, '\n'))
  return fields.has('feedback-type') ? fields : undefined
}

const recipientsFrom = (headers: Headers, names: readonly string[]): string[] => {
  for (const name of names) {
    const found = headers.all(name).flatMap((value) => {
      const all = addressesIn(value)
      return all.length > 0 ? all : [recipientOf(value)]
    })
    const addresses = [...new Set(found.filter((address) => address !== ''))]
    if (addresses.length > 0) return addresses
  }
  return []
}

/** @returns undefined where the mail is no feedback report */
export const readArf = (mail: Mail): ArfReport | undefined => {
  const fields = feedbackFields(mail)
  const copy = mail.parts.find(({ type }) => original.test(type))
  const headers = copy ? parseHeaders(copy.text.trimStart()) : parseHeaders('')
  if (!fields) return readLegacy(mail, headers)
  const named = recipientsFrom(fields, inFields)
  const recipients = named.length > 0 ? named : recipientsFrom(headers, inOriginal)
  const clear = recipients.filter((address) => address.includes('@') && !isRedacted.test(address.split('@')[0] ?? ''))
  const feedback_type =
    fields
      .get('feedback-type')
      .toLowerCase()
      .split(/[\s;(]/)[0] ?? ''
  return {
    kind: 'arf',
    feedback_type,
    complaint: !noComplaint.has(feedback_type),
    user_agent: fields.get('user-agent'),
    recipients,
    redacted: clear.length < recipients.length || recipients.length === 0,
    source_ip: fields.get('source-ip').replace(/^\[|\]$/g, ''),
    original_mail_from: addressIn(fields.get('original-mail-from')) ?? '',
    reported_domains: fields.all('reported-domain'),
    arrival_date: fields.get('arrival-date') || fields.get('received-date'),
    auth_failure: fields.get('auth-failure').toLowerCase(),
    original: originalOf(headers, fields),
  }
}

const readLegacy = (mail: Mail, headers: Headers): ArfReport | undefined => {
  const marked = ['x-hmxmroriginalrecipient', 'x-hmxmr-originalrecipient']
  const holder = [headers, mail.headers].find((each) => marked.some((name) => each.has(name)))
  const complaintSubject = /^complaint about message from\b/i.test(mail.headers.get('subject'))
  if (!holder && !complaintSubject) return undefined
  const recipients = holder ? recipientsFrom(holder, marked) : recipientsFrom(headers, inOriginal)
  return {
    kind: 'arf',
    feedback_type: 'abuse',
    complaint: true,
    user_agent: '',
    recipients,
    redacted: recipients.length === 0,
    source_ip: '',
    original_mail_from: '',
    reported_domains: [],
    arrival_date: '',
    auth_failure: '',
    original: originalOf(headers),
  }
}
