// The routing document: effective weights by pool, provider and source, with the reasons; versioned and published
// whole in Redis. Every weight carries its factors; overrides and suspensions carry their expiry, so that a worker
// lets them lapse by itself even when no sidecar is left to publish.

import { z } from 'zod'

/** Provider name that stands for every provider without an entry of its own. */
export const anyProvider = '*'

const name = z.string().min(1).max(128)

export const overrideSchema = z.strictObject({
  id: name,
  /** Absent: in every pool. */
  pool: name.optional(),
  /** Absent: towards every provider. */
  provider: name.optional(),
  source: name,
  /** Replaces the weight; 0 = no traffic. */
  weight: z.number().min(0).max(1_000_000),
  author: z.string().min(1).max(128),
  reason: z.string().min(1).max(1024),
  /** ms since 1970 */
  since: z.int(),
  /** ms since 1970; absent = until withdrawn */
  until: z.int().optional(),
})
export type Override = z.infer<typeof overrideSchema>

/** Closes what it names: a source, a pool or a provider as a whole, or where several are named, what is in all of them. */
export const suspensionSchema = overrideSchema
  .omit({ weight: true })
  .extend({ source: name.optional() })
  .refine(({ pool, source, provider }) => pool !== undefined || source !== undefined || provider !== undefined, {
    error: 'a suspension names a source, a pool or a provider',
  })
export type Suspension = z.infer<typeof suspensionSchema>

export const factorsSchema = z.strictObject({
  /** Weight in the configuration. */
  base: z.number().min(0),
  /** Multiplier from the source's standing with the provider, 0..1 relative to the pool's best. */
  reputation: z.number().min(0).max(1),
})
export type Factors = z.infer<typeof factorsSchema>

export const weightSchema = z.strictObject({ weight: z.number().min(0), factors: factorsSchema })
export type Weight = z.infer<typeof weightSchema>

export const routingSchema = z.strictObject({
  version: z.int().min(1),
  /** ms since 1970 */
  at: z.int(),
  by: z.string().max(128),
  reason: z.string().max(1024),
  /** pool -> provider (or `*`) -> source -> scored weight, before overrides and suspensions */
  pools: z.record(name, z.record(name, z.record(name, weightSchema))),
  overrides: z.array(overrideSchema).max(10_000),
  suspensions: z.array(suspensionSchema).max(10_000),
})
export type RoutingDocument = z.infer<typeof routingSchema>
