// What the sidecar asks of the workers about mail that waits, and what they answer. They meet in Redis: a request is
// published on one channel, every worker that delivers puts its answer on the list of that request, which expires.
// Both sides check what they read; a request says until when it may be acted upon, so that none is carried out late.

import { z } from 'zod'

import { parkedFilterSchema } from './filter'

/** Mails of a sample at most, in one answer. */
export const largestSample = 1000
/** Groups in one answer at most; the smallest are left out, counted. */
export const mostGroups = 500
/** Seconds after which an answer that nobody has fetched is gone. */
export const answerKeptS = 60

const name = z.string().max(255)
const count = z.int().nonnegative()
const moment = z.int().nonnegative()

const requestBase = {
  id: z.uuid(),
  /** ms since 1970; later it is not carried out. */
  until: moment,
  filter: parkedFilterSchema,
}
export const moveTargetSchema = z
  .strictObject({ pool: name.min(1).optional(), source: name.min(1).optional() })
  .refine(({ pool, source }) => pool !== undefined || source !== undefined, { error: 'names a pool, a source or both' })
/** A pool to choose from, or one source of it; without a pool, any pool that has the source. */
export type MoveTarget = z.infer<typeof moveTargetSchema>

export const parkedRequestSchema = z.discriminatedUnion('verb', [
  z.strictObject({ ...requestBase, verb: z.literal('list'), sample: z.int().min(0).max(largestSample) }),
  z.strictObject({ ...requestBase, verb: z.literal('flush') }),
  z.strictObject({ ...requestBase, verb: z.literal('move'), to: moveTargetSchema }),
  z.strictObject({
    ...requestBase,
    verb: z.literal('drop'),
    /** Whether the sender is told by a bounce message. */
    bounce: z.boolean(),
    /** Why; the bounce message and the outcome record say it. */
    reason: z.string().min(1).max(1024),
  }),
])
export type ParkedRequest = z.infer<typeof parkedRequestSchema>

export const parkedGroupSchema = z.strictObject({
  source: name.meta({ description: 'of the lane they wait in; empty where every source is closed to them' }),
  provider: name,
  stream: name,
  tenant: name,
  campaign: name,
  reason: name.meta({ description: '`lane…`: for its lane; else why no source is open' }),
  count,
  oldest_at: moment.meta({ description: 'when the oldest was queued, ms since 1970' }),
})
export type ParkedGroup = z.infer<typeof parkedGroupSchema>

export const parkedMailSchema = z.strictObject({
  queue_id: name,
  message_id: name,
  domain: name.meta({ description: 'recipient domain' }),
  recipients: count,
  queued_at: moment,
  attempts: count.meta({ description: 'made before' }),
  source: name,
  provider: name,
  stream: name,
  tenant: name,
  campaign: name,
  reason: name,
})
export type ParkedMail = z.infer<typeof parkedMailSchema>

export const parkedAnswerSchema = z.strictObject({
  worker: name,
  /** Mails that wait at this worker. */
  waiting: count,
  /** Those the filter means. */
  matched: count,
  /** Those something was done with. */
  done: count,
  /** How many were left as they are, by why. */
  refused: z.record(name, count),
  groups: z.array(parkedGroupSchema).max(mostGroups),
  /** Mails in groups that are left out. */
  others: count,
  mails: z.array(parkedMailSchema).max(largestSample),
})
export type ParkedAnswer = z.infer<typeof parkedAnswerSchema>
