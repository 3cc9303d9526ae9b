// Warm-up plans: how much a new source may send, stage by stage, and when a stage may be left. Shipped in
// core/data/warmup.yaml; an operator's file of the same form adds plans or replaces them.

import { z } from 'zod'

import { ConfigError, readDocument } from '../config/document'

const count = z.int().min(1).max(1_000_000_000)
const rate = z.number().min(0.0001).max(1)

const plan = z.strictObject({
  label: z.string().max(255),
  /** Where the figures come from. */
  source: z.string().max(1024),
  /** source: all that the address sends, of which a lane gets its share; lane: towards one provider. */
  scope: z.enum(['source', 'lane']),
  per: z.enum(['hour', 'day']),
  stages: z.array(count).min(1).max(366),
})

export const gateSchema = z.strictObject({
  enough: z.number().min(0).max(1).default(0.75),
  /** Normal quantile of the interval's bounds. */
  z: z.number().min(0.5).max(4).default(1.28),
  throttled: rate.default(0.1),
  blocked: rate.default(0.01),
  complained: rate.default(0.003),
  memory: z.number().min(1).max(90).default(7),
})
export type Gate = z.output<typeof gateSchema>

export const idleSchema = z.strictObject({
  grace_days: z.int().min(1).max(365).default(14),
  stages_per_week: z.int().min(0).max(100).default(3),
  restart_days: z.int().min(1).max(365).default(30),
})

const plansSchema = z.strictObject({
  gate: gateSchema.prefault({}),
  idle: idleSchema.prefault({}),
  /** Hours in which the day's allowance may be used up. */
  spread_hours: z.number().min(1).max(24).default(10),
  plans: z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'a-z 0-9 _ -'), plan),
})

export interface WarmupPlan {
  readonly id: string
  readonly label: string
  readonly source: string
  readonly scope: 'source' | 'lane'
  /** Messages a day, by stage. */
  readonly stages: readonly number[]
  readonly gate: Gate
  readonly idle: z.output<typeof idleSchema>
  readonly spread_hours: number
}

/** @throws ConfigError naming file, line and key */
export const readPlans = (file: string, text: string): ReadonlyMap<string, WarmupPlan> => {
  const { value, complain } = readDocument(file, text, plansSchema)
  const complaints = Object.entries(value.plans)
    .filter(([, { stages }]) => stages.some((one, index) => one <= (stages[index - 1] ?? 0)))
    .map(([id]) => complain(['plans', id, 'stages'], 'every stage must allow more than the one before'))
  if (complaints.length > 0) throw new ConfigError('SLUICE_CONFIG_INVALID', complaints)
  return new Map(
    Object.entries(value.plans).map(([id, { per, stages, ...rest }]) => [
      id,
      {
        id,
        ...rest,
        stages: stages.map((one) => (per === 'hour' ? one * 24 : one)),
        gate: value.gate,
        spread_hours: value.spread_hours,
        idle: value.idle,
      },
    ]),
  )
}
