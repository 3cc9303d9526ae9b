// How well the sources of a pool stand with one provider, each compared with what its own mix of streams would have
// met on the pool's best source (indirect standardisation, iterated to the fit of acceptance = source x stream).
// A source is judged by what is certain: its observed/expected ratio, shrunken towards 1 (gamma-Poisson) and raised to
// the upper end of its confidence interval, so that few observations damn nobody. Weather that meets all sources
// alike is in the expectation and moves nothing.

import { upperBound } from './bound'
import type { StandingParameters } from './parameters'
import type { Tally } from './tally'

export interface Standing {
  readonly source: string
  readonly delivered: number
  readonly throttled: number
  readonly blocked: number
  /** Messages' worth accepted: a slowed-down one counts in part. */
  readonly observed: number
  /** What the pool's best source would have had accepted of the same mix. */
  readonly expected: number
  /** Observed over expected, shrunken towards 1 and at most 1. */
  readonly ratio: number
  /** The highest ratio the evidence still allows. */
  readonly bound: number
  /** Multiplier asked for: bound ^ sharpness, 0..1. */
  readonly reputation: number
}

export interface ProviderStanding {
  readonly standings: readonly Standing[]
  /** Strength of the prior used, in observations: large where the sources are alike. */
  readonly prior: number
}

interface Cell {
  readonly source: string
  readonly stream: string
  readonly trials: number
  readonly accepted: number
}

const rounds = 30
const settled = 1e-9

/** @param tallies of one provider; rows of sources not in `sources` are ignored */
export const standingsAt = (
  sources: readonly string[],
  tallies: readonly Tally[],
  parameters: StandingParameters,
): ProviderStanding => {
  const cells = cellsOf(sources, tallies, parameters.throttle_weight)
  // Where nothing was refused every source is as good as the best, and there is nothing to fit.
  const calm = cells.every(({ trials, accepted }) => accepted >= trials)
  const prior = calm ? parameters.prior.max : priorStrength(fit(sources, cells, parameters.prior.max), parameters.prior)
  const seen = calm ? seenBy(cells, new Map()) : fit(sources, cells, prior)
  const totals = totalsBy(tallies)
  const standings = sources.map((source): Standing => {
    const { observed, expected } = seen.get(source) ?? nothing
    const trials = expected + prior
    const ratio = Math.min(1, (observed + prior) / trials)
    const bound = upperBound(ratio, trials, parameters.confidence)
    const reputation = bound ** parameters.sharpness
    return { source, ...(totals.get(source) ?? noTotals), observed, expected, ratio, bound, reputation }
  })
  return { standings, prior }
}

type Totals = Pick<Standing, 'delivered' | 'throttled' | 'blocked'>
const noTotals: Totals = { delivered: 0, throttled: 0, blocked: 0 }

const totalsBy = (tallies: readonly Tally[]): ReadonlyMap<string, Totals> => {
  const totals = new Map<string, Totals>()
  for (const { source, delivered, throttled, blocked } of tallies) {
    const before = totals.get(source) ?? noTotals
    totals.set(source, {
      delivered: before.delivered + delivered,
      throttled: before.throttled + throttled,
      blocked: before.blocked + blocked,
    })
  }
  return totals
}

interface Seen {
  readonly observed: number
  readonly expected: number
}
const nothing: Seen = { observed: 0, expected: 0 }

const sum = <T>(list: readonly T[], of: (one: T) => number): number => list.reduce((total, one) => total + of(one), 0)

const mostMessages = 1e15

/** Not finite or negative counts (a damaged row) count as none. */
const count = (value: number): number => (Number.isFinite(value) && value > 0 ? Math.min(value, mostMessages) : 0)

const cellsOf = (sources: readonly string[], tallies: readonly Tally[], throttleWeight: number): Cell[] => {
  const known = new Set(sources)
  return tallies
    .filter((tally) => known.has(tally.source))
    .map((tally) => {
      const [delivered, throttled, blocked] = [count(tally.delivered), count(tally.throttled), count(tally.blocked)]
      return {
        source: tally.source,
        stream: tally.stream,
        trials: delivered + throttled + blocked,
        accepted: delivered + (1 - throttleWeight) * throttled,
      }
    })
    .filter(({ trials }) => trials > 0)
}

/**
 * Fits accepted = trials x quality(source) x rate(stream) by turns, the best quality being 1. Where two sources share
 * no stream nothing can be said between them, and both keep quality 1.
 */
const fit = (sources: readonly string[], cells: readonly Cell[], prior: number): ReadonlyMap<string, Seen> => {
  let quality = new Map(sources.map((source) => [source, 1]))
  let seen = new Map<string, Seen>()
  for (let round = 0; round < rounds; round++) {
    seen = seenBy(cells, streamRates(cells, quality))
    const next = new Map(
      sources.map((source) => {
        const { observed, expected } = seen.get(source) ?? nothing
        return [source, (observed + prior) / (expected + prior)]
      }),
    )
    const best = Math.max(...next.values())
    let change = 0
    for (const [source, value] of next) {
      change = Math.max(change, Math.abs(value / best - (quality.get(source) ?? 1)))
      next.set(source, value / best)
    }
    quality = next
    if (change < settled) break
  }
  return seen
}

/** What a source of quality 1 has accepted, by stream, 0..1. */
const streamRates = (cells: readonly Cell[], quality: ReadonlyMap<string, number>): Map<string, number> => {
  const totals = new Map<string, { accepted: number; trials: number }>()
  for (const cell of cells) {
    const total = totals.get(cell.stream) ?? { accepted: 0, trials: 0 }
    total.accepted += cell.accepted
    total.trials += cell.trials * (quality.get(cell.source) ?? 1)
    totals.set(cell.stream, total)
  }
  return new Map(
    [...totals].map(([stream, { accepted, trials }]) => [stream, trials > 0 ? Math.min(1, accepted / trials) : 1]),
  )
}

const seenBy = (cells: readonly Cell[], rates: ReadonlyMap<string, number>): Map<string, Seen> => {
  const seen = new Map<string, Seen>()
  for (const cell of cells) {
    const before = seen.get(cell.source) ?? nothing
    seen.set(cell.source, {
      observed: before.observed + cell.accepted,
      expected: before.expected + cell.trials * (rates.get(cell.stream) ?? 1),
    })
  }
  return seen
}

/**
 * Empirical Bayes: how much the sources really differ (DerSimonian and Laird's moment estimate of the variance between
 * them, beyond what chance explains) decides how far each is drawn towards the others. A Gamma prior with mean 1 and
 * variance v is worth 1/v observations.
 */
const priorStrength = (
  seen: ReadonlyMap<string, Seen>,
  bounds: { readonly min: number; readonly max: number },
): number => {
  const known = [...seen.values()].filter(({ expected }) => expected > 0)
  const total = sum(known, ({ expected }) => expected)
  if (known.length < 2 || total <= 0) return bounds.max
  const ratio = ({ observed, expected }: Seen): number => observed / expected
  const mean = sum(known, ({ observed }) => observed) / total
  const spread = sum(known, (one) => one.expected * (ratio(one) - mean) ** 2)
  const chance = sum(known, (one) => Math.min(1, ratio(one)) * (1 - Math.min(1, ratio(one))))
  const scale = total - sum(known, ({ expected }) => expected ** 2) / total
  // Few observations give a wild estimate: it is weighed against the assumption that the sources are alike.
  const variance = (spread - chance) / (scale + bounds.max * (known.length - 1))
  return variance > 0 ? Math.min(bounds.max, Math.max(bounds.min, 1 / variance)) : bounds.max
}
