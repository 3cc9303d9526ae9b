// From evidence to weights: for every pool and provider, how each source stands in the long run (rates) and whether it
// is listed right now (trail); both together are the target, and the weight takes one bounded step towards it. Pure:
// the evidence, the multipliers in force and the time passed are arguments.

import type { EgressConfig } from '../config/egress'
import type { RoutingDocument } from '../routing/table'
import { listingsAt, type Listing, type Trail } from './listing'
import { floorFor, move, type Moved } from './motion'
import type { ScoreParameters } from './parameters'
import { standingsAt, type Standing } from './standing'
import type { Tally } from './tally'

export interface Evidence {
  readonly tallies: readonly Tally[]
  readonly trails: readonly Trail[]
  /** ms since 1970 to which the evidence is related */
  readonly at: number
}

/** Everything one weight was made from. */
export interface Score {
  readonly pool: string
  readonly provider: string
  readonly source: string
  readonly base: number
  /** base x multiplier */
  readonly weight: number
  /** In force after this step, 0..1. */
  readonly multiplier: number
  readonly because: Moved['because']
  /** What the evidence asks for, 0..1: reputation x health. */
  readonly target: number
  /** Smallest multiplier this source can get in this pool. */
  readonly floor: number
  readonly standing: Standing
  readonly listing: Listing
  /** Strength of the prior used for the standing, in observations. */
  readonly prior: number
}

/** Multipliers below 1 by pool, provider and source; absent = 1. */
export type Multipliers = ReadonlyMap<string, number>

const keyOf = (pool: string, provider: string, source: string): string => JSON.stringify([pool, provider, source])
const providerOf = (key: string): string => (JSON.parse(key) as [string, string, string])[1]

/** The multipliers a routing document was published with, to go on from after a change of leadership. */
export const multipliersOf = (document: RoutingDocument | undefined): Multipliers => {
  const found = new Map<string, number>()
  for (const [pool, providers] of Object.entries(document?.pools ?? {})) {
    for (const [provider, sources] of Object.entries(providers)) {
      for (const [source, { factors }] of Object.entries(sources)) {
        if (factors.reputation < 1) found.set(keyOf(pool, provider, source), factors.reputation)
      }
    }
  }
  return found
}

/** The multipliers these scores leave in force. */
export const multipliersAfter = (scores: readonly Score[]): Multipliers =>
  new Map(
    scores
      .filter(({ multiplier }) => multiplier < 1)
      .map(({ pool, provider, source, multiplier }) => [keyOf(pool, provider, source), multiplier]),
  )

/**
 * One step for every pool. Sources and providers nothing is known of have no score: their base weight holds.
 * @param elapsed_s seconds since the step that made `before`
 */
export const score = (
  pools: EgressConfig['pools'],
  { tallies, trails, at }: Evidence,
  before: Multipliers,
  elapsed_s: number,
  parameters: ScoreParameters,
): Score[] => {
  const talliesOf = byProvider(tallies)
  const trailsOf = byProvider(trails)
  const lowered = [...before.keys()].map(providerOf)
  const providers = [...new Set([...talliesOf.keys(), ...trailsOf.keys(), ...lowered])].sort()
  return Object.entries(pools).flatMap(([pool, bases]) => {
    const sources = Object.keys(bases).filter((source) => (bases[source] ?? 0) > 0)
    return providers.flatMap((provider) => {
      const { standings, prior } = standingsAt(sources, talliesOf.get(provider) ?? [], parameters)
      const listings = listingsAt(sources, trailsOf.get(provider) ?? [], at, parameters.listing)
      return sources.flatMap((source, index): Score[] => {
        const [standing, listing, base = 0] = [standings[index], listings[index], bases[source]]
        const current = before.get(keyOf(pool, provider, source)) ?? 1
        if (!standing || !listing || (current >= 1 && unheard(standing, listing))) return []
        const target = standing.reputation * listing.health
        const floor = floorFor(base / sum(Object.values(bases)), parameters.explore)
        const { multiplier, because } = move(current, target, floor, elapsed_s, parameters)
        const weight = base * multiplier
        return [{ pool, provider, source, base, weight, multiplier, because, target, floor, standing, listing, prior }]
      })
    })
  })
}

const byProvider = <T extends { readonly provider: string }>(list: readonly T[]): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>()
  for (const one of list) {
    const group = groups.get(one.provider)
    if (group) group.push(one)
    else groups.set(one.provider, [one])
  }
  return groups
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

const unheard = (standing: Standing, listing: Listing): boolean =>
  standing.delivered + standing.throttled + standing.blocked === 0 && listing.run.length === 0
