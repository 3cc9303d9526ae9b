// One-click unsubscribe (RFC 8058). POST unsubscribes; GET, which mail scanners follow too, only asks. The link is all
// the caller needs: it is signed and names the recipient. What was asked for is on disk before it is confirmed.

import { z } from 'zod'

import { Allowance } from '@sluice/core/feedback/allowance'
import { SluiceError } from '@sluice/core/errors'
import { verifyUnsubscribe, type VerifiedLink } from '@sluice/core/identity/unsubscribe-link'

import { Raw, rawBody, route, type Route } from '../route'
import type { Services } from '../services'

/** Behind a proxy all callers look the same: the limit is by message. */
const limits = { perMinute: 6000, perMinutePerClient: 20 }
const params = z.object({ link: z.string().min(1).max(600) })

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; form-action 'self'">
<title>${title}</title>
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`

const html = (title: string, body: string, status = 200): Raw => new Raw('text/html', page(title, body), status)

const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)

const question = (recipient: string): Raw =>
  html(
    'Unsubscribe?',
    `<p>${escaped(recipient)} will get no more of these mails.</p>
<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>Unsubscribe</button></form>`,
  )
const confirmed = html('Unsubscribed', '<p>You will get no more of these mails.</p>')
const expired = html('This link is too old', '<p>Use the link in a mail you have got lately.</p>', 410)
const unknown = html('Not a link of ours', '<p>It is not complete, or was changed on its way.</p>', 404)

export const unsubscribeRoutes = ({ feedback, now }: Services): Route[] => {
  const allowance = new Allowance()
  /** @throws SluiceError SLUICE_HTTP_BUSY */
  const verify = (link: string): VerifiedLink => {
    const { signed } = feedback.settings.current
    const { unsubscribe } = signed?.config ?? {}
    if (!signed || !unsubscribe) return { ok: false, fault: 'malformed' }
    const verified = verifyUnsubscribe(signed.keys, link, now(), unsubscribe.max_age_days)
    if (!allowance.take(verified.ok ? verified.message_id : 'unverified', limits, now())) {
      throw new SluiceError('SLUICE_HTTP_BUSY', 'too many requests; try again in a minute')
    }
    return verified
  }
  const refusal = ({ fault }: Extract<VerifiedLink, { ok: false }>): Raw => (fault === 'expired' ? expired : unknown)
  return [
    route({
      method: 'get',
      path: '/v1/unsubscribe/{link}',
      scope: 'public',
      name: 'askUnsubscribe',
      says: 'A page with a button; unsubscribes nobody by itself',
      params,
      answer: z.unknown(),
      types: ['text/html'],
      handle: ({ params: { link } }) => {
        const verified = verify(link)
        return Promise.resolve(verified.ok ? question(verified.recipient) : refusal(verified))
      },
    }),
    route({
      method: 'post',
      path: '/v1/unsubscribe/{link}',
      scope: 'public',
      name: 'unsubscribe',
      says: 'Unsubscribes the recipient the link was written for (RFC 8058)',
      params,
      body: rawBody,
      raw: ['application/x-www-form-urlencoded', 'multipart/form-data'],
      answer: z.unknown(),
      types: ['text/html'],
      handle: async ({ params: { link }, body }) => {
        body.resume() // nothing in it matters: the link says everything
        const verified = verify(link)
        if (!verified.ok) return refusal(verified)
        const { message_id, recipient } = verified
        await feedback.reports.prepare()
        await feedback.reports.add(
          { v: 1, at: now(), client_ip: '', mail_from: '', rcpt_to: [], unsubscribe: { message_id, recipient } },
          Buffer.alloc(0),
        )
        return confirmed
      },
    }),
  ]
}
