// The warm-up document: every warm-up with its state, and the plans they follow, whole and versioned in Redis. Workers
// need nothing besides: a plan's figures are in it, so that no host goes by another plan than the one who decided, and
// the last document goes on holding when no sidecar is left to publish.

import { z } from 'zod'

import { messageOf, SluiceError } from '../errors'
import { gateSchema, idleSchema } from './plan'

const name = z.string().min(1).max(128)
const count = z.number().min(0)
const moment = z.int().min(0)
/** Days since 1970; -1 = never. */
const dayNumber = z.int().min(-1)

const tallySchema = z.strictObject({ delivered: count, throttled: count, blocked: count, complained: count })

const stateSchema = z.strictObject({
  plan: name,
  share: z.number().positive().max(1),
  status: z.enum(['warming', 'held', 'done']),
  stage: z.int().min(0).max(366),
  started: moment,
  closed: dayNumber,
  idle: z.int().min(0),
  blocked_on: dayNumber,
  tally: tallySchema,
  note: z.string().max(1024),
})

export const warmupSchema = z.strictObject({
  source: name,
  /** `*` = all providers without a warm-up of their own for this source. */
  provider: name,
  overflow: z.enum(['pool', 'wait']),
  /** configured: follows shaping.yaml; operator: was started by hand. */
  origin: z.enum(['configured', 'operator']),
  /** When it was started or its stage set by hand, ms since 1970: what happened before says nothing about it. */
  since: moment,
  state: stateSchema,
})
export type Warmup = z.infer<typeof warmupSchema>

const planSchema = z.strictObject({
  id: name,
  label: z.string().max(255),
  source: z.string().max(1024),
  scope: z.enum(['source', 'lane']),
  stages: z.array(z.int().min(1)).min(1).max(366).readonly(),
  gate: gateSchema,
  idle: idleSchema,
  spread_hours: z.number().min(1).max(24),
})

export const mostWarmups = 20_000
const longestText = 16 * 1024 * 1024

const documentSchema = z
  .strictObject({
    version: z.int().min(1),
    /** ms since 1970 */
    at: moment,
    by: z.string().max(128),
    plans: z.record(name, planSchema).readonly(),
    warmups: z.array(warmupSchema).max(mostWarmups).readonly(),
  })
  .refine(({ plans, warmups }) => warmups.every(({ state }) => state.plan in plans), {
    error: 'a warm-up follows a plan that is not there',
  })
export type WarmupDocument = z.infer<typeof documentSchema>

/** Before anything was published. Its version is never published. */
export const noWarmups: WarmupDocument = { version: 0, at: 0, by: '', plans: {}, warmups: [] }

/** @throws SluiceError SLUICE_REDIS_CONTENT saying what is wrong with it */
export const parseWarmups = (text: string): WarmupDocument => {
  const refuse = (why: string): SluiceError =>
    new SluiceError('SLUICE_REDIS_CONTENT', `the warm-up document is not valid: ${why}`)
  if (text.length > longestText) throw refuse(`longer than ${longestText} characters`)
  let plain: unknown
  try {
    plain = JSON.parse(text)
  } catch (thrown) {
    throw refuse(messageOf(thrown))
  }
  const checked = documentSchema.safeParse(plain)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  throw refuse(issue ? `${issue.path.join('.')}: ${issue.message}` : 'no reason given')
}
