// Reports that do not come by SMTP: one message as it is. It waits in the report spool like any other.

import { z } from 'zod'

import { SluiceError } from '@sluice/core/errors'

import { rawBody, route, Status, type Route } from '../route'
import type { Services } from '../services'

const address = z.string().max(1024)
const many = z.union([address.transform((one) => [one]), z.array(address).max(100)])

const reportQuery = z.strictObject({
  rcpt_to: many.default([]).meta({ description: 'address the report came to; may be repeated' }),
  mail_from: address.default(''),
})

/**
 * What is too large is read to its end, or the caller would never hear why it was refused; but not for ever.
 * @throws SluiceError SLUICE_HTTP_TOO_LARGE
 */
const collect = async (body: AsyncIterable<unknown>, most: number): Promise<Buffer> => {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of body as AsyncIterable<Buffer>) {
    size += piece.length
    if (size <= most) pieces.push(piece)
    else if (size > most * 4) break
  }
  if (size > most) throw new SluiceError('SLUICE_HTTP_TOO_LARGE', `a report may have ${most} bytes`)
  return Buffer.concat(pieces)
}

export const reportRoutes = ({ feedback, now }: Services): Route[] => [
  route({
    method: 'post',
    path: '/v1/reports',
    scope: 'send',
    name: 'takeReport',
    says: 'Takes a bounce, complaint or other report, as a whole message; it is on disk when this answers',
    query: reportQuery,
    body: rawBody,
    raw: ['message/rfc822', 'application/octet-stream'],
    status: 202,
    answer: z.object({ report: z.string().meta({ description: 'name of the file it waits in' }) }),
    handle: async ({ query: { rcpt_to, mail_from }, body }) => {
      const { signed } = feedback.settings.current
      if (!signed) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', 'there is no feedback.yaml: no report is taken')
      const message = await collect(body, signed.config.intake.max_size_mb)
      await feedback.reports.prepare()
      const report = await feedback.reports.add({ v: 1, at: now(), client_ip: '', mail_from, rcpt_to }, message)
      return new Status(202, { report })
    },
  }),
]
