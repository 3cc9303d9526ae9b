// shaping.yaml: providers and their limits. The operator's file is laid over the shipped one (core/data/providers.yaml),
// key by key. What holds in one lane, and where each value comes from, is worked out in core/shaping/limits.ts.

import { z } from 'zod'

import { duration } from '../shaping/duration'
import { day, second } from '../shaping/rate'
import { limits } from '../shaping/vocabulary'
import { readDocument, type ConfigDocument } from './document'

const suffix = z
  .string()
  .max(253)
  .toLowerCase()
  .regex(/^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/, 'a host name, or a suffix that begins with a dot')

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name is letters, digits, . _ - (at most 64)')

const provider = limits.extend({
  label: z.string().max(255).optional(),
  /** Host names (`mx.example.net`) or suffixes (`.example.net`) of the provider's MX hosts. */
  mx: z.array(suffix).max(1000).optional(),
  /** Recipient domains known to be the provider's; used until the MX hosts have been looked up. */
  domains: z.array(suffix).max(10_000).optional(),
  /** Where the facts come from. */
  source: z.string().max(1024).optional(),
  /** Limits of single lanes: egress source -> what differs for it at this provider. */
  sources: z.record(name, limits).optional(),
})

/** What a stream may do and wants, as far as shaping goes. */
const streamShaping = z.strictObject({
  /** Share against the tenant's other streams in a contended lane; transactional mail wants more. */
  weight: z.number().min(0.01).max(1000).default(1),
  /** How well recipients like it: the best-liked stream comes first where a source is warmed up. 0..100 */
  liking: z.number().min(0).max(100).default(50),
  /** Age at which its mail expires, where the provider's `retry.max_age` is not shorter. */
  max_age: duration(10 * second, 30 * day).optional(),
  /** A block of the source may be answered by another source of the pool, at once. */
  move_on_block: z.boolean().default(false),
})

const warmup = z.strictObject({
  source: name,
  /** Id of a plan of core/data/warmup.yaml. */
  plan: name,
  /** Provider id, or `*` for all that have no entry of their own -> this lane's share of the plan's volume. */
  providers: z.record(z.string().min(1).max(128), z.number().min(0.001).max(1)).default({ '*': 1 }),
  /** Mail beyond the day's allowance: by warm sources of the pool, or wait. */
  overflow: z.enum(['pool', 'wait']).default('pool'),
})

const shapingSchema = z.strictObject({
  defaults: limits.prefault({}),
  providers: z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'a-z 0-9 _ -'), provider).default({}),
  /** Site (MX rollup) -> limits, over those of its provider. */
  sites: z.record(suffix, limits).default({}),
  /** Egress source -> limits, under those of the provider; for a relay, whose lane is the relay itself, the last word. */
  sources: z.record(name, limits).default({}),
  streams: z.record(name, streamShaping).default({}),
  /** Shares of a contended lane; a tenant that is not named has weight 1. */
  tenants: z.record(z.string().min(1).max(128), z.strictObject({ weight: z.number().min(0.01).max(1000) })).default({}),
  warmup: z.array(warmup).max(10_000).default([]),
})

export type ShapingConfig = z.output<typeof shapingSchema>
export type ProviderConfig = ShapingConfig['providers'][string]

/** @throws ConfigError naming file, line and key */
export const readShaping = (file: string, text: string): ShapingConfig => readShapingDocument(file, text).value

/** As `readShaping`, and can still say on which line a key stands. */
export const readShapingDocument = (file: string, text: string): ConfigDocument<ShapingConfig> =>
  readDocument(file, text, shapingSchema)

/** `over` laid on `under`, key by key; the limits that are groups (time-outs, retry, …) member by member. */
export const mergeShaping = (under: ShapingConfig, over: ShapingConfig): ShapingConfig => ({
  defaults: lay(under.defaults, over.defaults),
  providers: layEach(under.providers, over.providers),
  sites: layEach(under.sites, over.sites),
  sources: layEach(under.sources, over.sources),
  streams: { ...under.streams, ...over.streams },
  tenants: { ...under.tenants, ...over.tenants },
  warmup: [...under.warmup, ...over.warmup],
})

const lay = <T extends ProviderConfig>(under: T, over: T): T => ({
  ...under,
  ...over,
  ...(under.total && over.total && { total: { ...under.total, ...over.total } }),
  ...(under.timeouts && over.timeouts && { timeouts: { ...under.timeouts, ...over.timeouts } }),
  ...(under.retry && over.retry && { retry: { ...under.retry, ...over.retry } }),
  ...(under.reaction && over.reaction && { reaction: { ...under.reaction, ...over.reaction } }),
  ...(under.sources && over.sources && { sources: layEach(under.sources, over.sources) }),
})

const layEach = <T extends ProviderConfig>(
  under: Readonly<Record<string, T>>,
  over: Readonly<Record<string, T>>,
): Record<string, T> => {
  const laid: Record<string, T> = { ...under }
  for (const [id, one] of Object.entries(over)) laid[id] = laid[id] ? lay(laid[id], one) : one
  return laid
}
