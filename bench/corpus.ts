// A folder of labelled replies and reports: `replies*.jsonl`, `messages*.jsonl` and the mails they name. Labels may be
// absent: then there are predictions and no score.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

import { loadBounceRules, type RuleSet } from '@sluice/core/bounce/classify'
import { z } from 'zod'

const replyRow = z.object({
  id: z.string(),
  code: z.number().nullish(),
  enhanced: z.string().nullish(),
  text: z.string(),
  provider: z.string().nullish(),
  permanent: z.boolean().nullish(),
  tier: z.string().default(''),
  cluster: z.string().default(''),
  label: z.string().nullish(),
  accept: z.array(z.string()).default([]),
  blame: z.string().nullish(),
  hard: z.boolean().nullish(),
})
export type ReplyRow = z.output<typeof replyRow>

const expectedRecipient = z.object({
  recipient: z.string(),
  accept_recipients: z.array(z.string()).default([]),
  category: z.string().nullish(),
  accept: z.array(z.string()).default([]),
  hard: z.boolean().nullish(),
})

const messageRow = z.object({
  id: z.string(),
  file: z.string(),
  kind: z.string().nullish(),
  accept_kind: z.array(z.string()).default([]),
  expected: z
    .object({
      feedback_type: z.string().nullish(),
      recipients: z
        .array(
          z.union([expectedRecipient, z.string().transform((recipient) => expectedRecipient.parse({ recipient }))]),
        )
        .default([]),
    })
    .nullish(),
})
export type MessageRow = z.output<typeof messageRow>

const rowsOf = <T extends z.ZodType>(folder: string, prefix: string, row: T): z.output<T>[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith('.jsonl') && !name.includes('predictions'))
    .sort()
    .flatMap((name) => readFileSync(path.join(folder, name), 'utf8').split('\n'))
    .filter((line) => line.trim() !== '')
    .map((line) => row.parse(JSON.parse(line)))

export const readReplies = (folder: string): ReplyRow[] => rowsOf(folder, 'replies', replyRow)

export interface Message extends MessageRow {
  readonly raw: Uint8Array
}

/** A row whose mail is missing is left out, loudly. */
export const readMessages = (folder: string): Message[] =>
  rowsOf(folder, 'messages', messageRow).flatMap((row) => {
    const file = path.join(folder, row.file)
    if (existsSync(file)) return [{ ...row, raw: readFileSync(file) }]
    console.warn(`no such file, left out: ${file}`)
    return []
  })

/** The shipped rules, as the product loads them. */
export const shippedRules = (): RuleSet => {
  const find = createRequire(__filename)
  return loadBounceRules((file) => readFileSync(find.resolve(`@sluice/core/data/${file}`), 'utf8'))
}
