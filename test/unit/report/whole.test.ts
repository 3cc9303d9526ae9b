// Whole mails: what kind they are, and of a bounce who failed and why.

import { readFileSync } from 'node:fs'
import path from 'node:path'

import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

import { interpretMail } from './mails'

const mails = z
  .array(
    z.strictObject({
      kind: z.enum(['dsn', 'arf', 'autoreply', 'other']),
      feedback_type: z.string().optional(),
      recipients: z.record(z.string(), z.string()).optional(),
      raw: z.string(),
    }),
  )
  .parse(parse(readFileSync(path.join(__dirname, 'whole.yaml'), 'utf8')))

const subjectOf = (raw: string): string => /^Subject: (.*)$/m.exec(raw)?.[1] ?? ''

it.each(mails.map((mail) => [mail.kind, subjectOf(mail.raw), mail] as const))('takes for %s: %s', (_, __, mail) => {
  const report = interpretMail(Buffer.from(mail.raw))
  expect(report.kind).toBe(mail.kind)
  if (report.kind === 'arf') expect(report.feedback_type).toBe(mail.feedback_type)
  if (report.kind !== 'dsn') return
  const read = report.recipients.map(({ recipient, action, verdict }) => [recipient, `${action} ${verdict.class}`])
  expect(Object.fromEntries(read)).toEqual(mail.recipients)
})
