// From the configuration and the routing document to the weights that hold now: scored weight, replaced by an
// override, silenced by a suspension. Overrides and suspensions lapse by time alone, so the result says until when it
// holds. One function serves the workers that choose and the API that explains.

import type { EgressConfig } from '../config/egress'
import { anyProvider, type Factors, type Override, type RoutingDocument, type Suspension } from './table'

export interface EffectiveWeight {
  readonly source: string
  /** What the choice uses; 0 = closed. */
  readonly weight: number
  readonly factors: Factors
  readonly override?: Override
  readonly suspension?: Suspension
}

export interface EffectiveWeights {
  readonly weights: readonly EffectiveWeight[]
  /** ms since 1970 at which an override or suspension begins or ends next; Infinity where none does */
  readonly until: number
}

interface Term {
  readonly pool?: string | undefined
  /** Absent: every source. */
  readonly source?: string | undefined
  readonly provider?: string | undefined
  readonly since: number
  readonly until?: number | undefined
}

const holds = (term: Term, now: number): boolean => term.since <= now && now < (term.until ?? Infinity)

const concerns = (term: Term, source: string, provider: string): boolean =>
  (term.source === undefined || term.source === source) && (term.provider === undefined || term.provider === provider)

/** The next moment after `now` at which a term begins or ends. */
const nextTurn = (terms: readonly Term[], now: number): number =>
  Math.min(Infinity, ...terms.flatMap((term) => [term.since, term.until ?? Infinity]).filter((at) => at > now))

/** More precise wins (pool and provider named), then the newer. */
const rank = (one: Override): number => (one.pool === undefined ? 0 : 2) + (one.provider === undefined ? 0 : 1)
const stronger = (a: Override, b: Override): Override =>
  rank(b) > rank(a) || (rank(b) === rank(a) && b.since >= a.since) ? b : a

/**
 * The weights of `pool` towards `provider` at `now` (ms since 1970). Sources come in the order of the configuration,
 * and only those configured: a source the document knows but the configuration does not has no traffic.
 */
export const effectiveWeights = (
  config: EgressConfig,
  document: RoutingDocument | undefined,
  pool: string,
  provider: string,
  now: number,
): EffectiveWeights => {
  const scored = document?.pools[pool]?.[provider] ?? document?.pools[pool]?.[anyProvider]
  const here = (term: Term): boolean => term.pool === undefined || term.pool === pool
  const overrides = (document?.overrides ?? []).filter(here)
  const suspensions = (document?.suspensions ?? []).filter(here)

  const weights = Object.entries(config.pools[pool] ?? {}).map(([source, base]): EffectiveWeight => {
    const entry = scored?.[source]
    const factors = { base, reputation: entry?.factors.base === base ? entry.factors.reputation : 1 }
    const mine = (term: Term): boolean => concerns(term, source, provider) && holds(term, now)
    const override = overrides.filter(mine).reduce<Override | undefined>((a, b) => (a ? stronger(a, b) : b), undefined)
    const suspension = suspensions.find(mine)
    // A base weight changed since the document was scored: the configuration wins until the next score.
    const scoredWeight = entry?.factors.base === base ? entry.weight : base
    return {
      source,
      weight: suspension ? 0 : (override?.weight ?? scoredWeight),
      factors,
      ...(override && { override }),
      ...(suspension && { suspension }),
    }
  })
  return { weights, until: Math.min(nextTurn(overrides, now), nextTurn(suspensions, now)) }
}
