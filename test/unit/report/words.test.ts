// Bounces in plain words, of many systems and in many languages.

import { readFileSync } from 'node:fs'
import path from 'node:path'

import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

import { interpretMail, textMail } from './mails'

const bounces = z
  .array(
    z.strictObject({
      system: z.string(),
      from: z.string(),
      return_path: z.string().default('<>'),
      subject: z.string(),
      headers: z.record(z.string(), z.string()).default({}),
      body: z.string(),
      action: z.enum(['failed', 'delayed']).default('failed'),
      expect: z.record(z.string(), z.string()),
    }),
  )
  .parse(parse(readFileSync(path.join(__dirname, 'bounces.yaml'), 'utf8')))

it.each(bounces.map((bounce) => [bounce.system, bounce] as const))('reads a bounce of %s', (_, bounce) => {
  const report = interpretMail(
    textMail(
      { 'Return-Path': bounce.return_path, From: bounce.from, Subject: bounce.subject, ...bounce.headers },
      bounce.body,
    ),
  )
  if (report.kind !== 'dsn') throw new Error(`read as ${report.kind}`)
  expect(Object.fromEntries(report.recipients.map(({ recipient, verdict }) => [recipient, verdict.class]))).toEqual(
    bounce.expect,
  )
  for (const { action } of report.recipients) expect(action).toBe(bounce.action)
})
