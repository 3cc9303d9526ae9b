// What a lane does about refusals: the parameters of its reactions, and rules of the form "N in T". Part of the
// limits vocabulary, so every provider, site and lane can have its own.

import { z } from 'zod'

import { blames, bounceActions, bounceClasses } from '../bounce/verdict'
import { duration } from './duration'
import { day, hour, minute, second } from './rate'

const reactionKinds = ['narrow', 'slow', 'close', 'hold'] as const

const oneOrMore = <const T extends readonly [string, ...string[]]>(words: T) =>
  z.union([z.enum(words).transform((word) => [word]), z.array(z.enum(words)).min(1).max(words.length)])

/** `times` verdicts that match within `within` bring the reaction about, at the scope that is to blame. */
export const triggerRule = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'a-z 0-9 . _ -'),
  /** Every stated condition must hold. */
  on: z
    .strictObject({
      class: oneOrMore(bounceClasses).optional(),
      blame: oneOrMore(blames).optional(),
      action: oneOrMore(bounceActions).optional(),
      /** Id of the rule of the classifier. */
      rule: z.string().max(128).optional(),
    })
    .refine((on) => Object.keys(on).length > 0, 'at least one condition'),
  times: z.int().min(1).max(1000).default(1),
  within: duration(second, day).default(hour),
  /** narrow: fewer connections; slow: fewer messages; close: the lane; hold: the identity, stream or tenant. */
  do: z.enum(reactionKinds),
  /** Hold the tenant or the stream, whoever is to blame; absent = the scope that is to blame. */
  scope: z.enum(['stream', 'tenant']).optional(),
  /** How long, where the provider does not say. */
  for: duration(second, 7 * day).optional(),
})
export type TriggerRule = z.output<typeof triggerRule>

const share = (min: number, max: number) => z.number().min(min).max(max)

const reactionFields = {
  /** Share of the window that a rate or connection refusal leaves. */
  narrow_to: share(0.1, 0.9).optional(),
  /** How long a block closes, where the provider does not say. */
  close_for: duration(second, day).optional(),
  /** A closing that follows a failed recovery is this many times longer than the one before. */
  close_growth: share(1, 10).optional(),
  close_max: duration(second, 7 * day).optional(),
  /** First pause after a rate refusal; grows while pauses end in refusals. */
  breath: duration(100, 10 * minute).optional(),
  /** After a refused probe the next waits at least this long; each refused probe at the same level waits longer. */
  probe_after: duration(second, hour).optional(),
  probe_max: duration(second, day).optional(),
  /** Share of attempts that probing may waste on refusals. */
  probe_waste: share(0.001, 0.2).optional(),
  /** Share of the refused message rate that is used. */
  rate_headroom: share(0.5, 1).optional(),
  /** Failures to connect in a row that open the circuit breaker, its first wait, and the longest. */
  breaker_failures: z.int().min(1).max(100).optional(),
  breaker_wait: duration(100, hour).optional(),
  breaker_max: duration(second, day).optional(),
  /** Lanes that one rule may close within an hour; more are held back and reported. */
  lanes_per_rule: z.int().min(1).max(100_000).optional(),
  /** Rules of the form N in T, tried in this order; the first whose conditions match counts. */
  triggers: z
    .array(triggerRule)
    .max(100)
    .refine((rules) => new Set(rules.map(({ id }) => id)).size === rules.length, 'two rules with the same id')
    .optional(),
} as const

export const reaction = z.strictObject(reactionFields)
export type Reaction = { readonly [K in keyof z.output<typeof reaction>]-?: NonNullable<z.output<typeof reaction>[K]> }

/** Google publishes the ten minutes and the one connection at a time; the rest is tuned in test/unit/lane. */
export const defaultReaction: Reaction = {
  narrow_to: 0.5,
  close_for: 10 * minute,
  close_growth: 2,
  close_max: 4 * hour,
  breath: 2 * second,
  probe_after: 30 * second,
  probe_max: 90 * second,
  probe_waste: 0.03,
  rate_headroom: 0.97,
  breaker_failures: 5,
  breaker_wait: 10 * second,
  breaker_max: 10 * minute,
  lanes_per_rule: 20,
  triggers: [],
}
