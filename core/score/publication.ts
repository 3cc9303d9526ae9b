// What of the scores goes into the routing document, and when it is worth a new version: only weights that differ
// from their base are written, and a version is published when one of them has visibly moved or reached an end.

import { anyProvider, type RoutingDocument, type Weight } from '../routing/table'
import type { Score } from './score'

export type ScoredPools = RoutingDocument['pools']

/** Weights that differ from their base, by pool, provider and source. */
export const scoredPools = (scores: readonly Score[]): ScoredPools => {
  const pools: Record<string, Record<string, Record<string, Weight>>> = {}
  for (const { pool, provider, source, base, weight, multiplier } of scores) {
    if (multiplier >= 1 || provider === '' || provider === anyProvider) continue
    const ofPool = (pools[pool] ??= {})
    const ofProvider = (ofPool[provider] ??= {})
    ofProvider[source] = { weight, factors: { base, reputation: multiplier } }
  }
  return pools
}

export interface Change {
  readonly pool: string
  readonly provider: string
  readonly source: string
  readonly from: number
  readonly to: number
}

/** Weights that differ by more than `tolerance` (relative), or that came to rest (`resting`) at another value. */
export const changesBetween = (
  published: ScoredPools,
  scores: readonly Score[],
  tolerance: number,
): readonly Change[] => {
  const changes: Change[] = []
  for (const { pool, provider, source, base, weight, because } of scores) {
    const entry = published[pool]?.[provider]?.[source]
    const from = entry?.factors.base === base ? entry.weight : base
    const resting = because === 'best' || because === 'floor' || because === 'steady'
    const moved = Math.abs(weight - from) > tolerance * Math.max(weight, from)
    if (moved || (resting && weight !== from)) changes.push({ pool, provider, source, from, to: weight })
  }
  return changes
}

const named = 3

/** For people: `fast->google: a 3 -> 0.1; …`, at most three changes by name. */
export const sayChanges = (changes: readonly Change[]): string => {
  const said = changes
    .slice(0, named)
    .map(({ pool, provider, source, from, to }) => `${pool} -> ${provider}: ${source} ${short(from)} to ${short(to)}`)
  const rest = changes.length - said.length
  return [...said, ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ')
}

const short = (weight: number): string => String(Number(weight.toPrecision(3)))
