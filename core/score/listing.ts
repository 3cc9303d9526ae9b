// Is this source on this provider's block list right now? Rates answer that too late: a source that had thousands
// accepted would need hundreds refused. The order of the last few outcomes answers it after three or four messages,
// whatever the volume, and takes it back as quickly. Two states, clear and listed, filtered forward (a hidden Markov
// model) over the trail of the latest outcomes. What the pool's other sources meet at the same time is the weather and
// weakens the evidence.

import type { ListingParameters } from './parameters'

/** One outcome of a source at a provider; recipients of one attempt that met the same fate are one. */
export interface Footstep {
  /** ms since 1970 */
  readonly at: number
  /** Turned away (counted `blocked`), else delivered. */
  readonly blocked: boolean
}

/** The latest outcomes of one source at one provider, oldest first. */
export interface Trail {
  readonly source: string
  readonly provider: string
  readonly steps: readonly Footstep[]
}

export interface Listing {
  readonly source: string
  /** Probability of being listed now, 0..1. */
  readonly suspicion: number
  /** Relative to the pool's least suspect, 0..1: what is left of the weight. */
  readonly health: number
  readonly blocked: number
  readonly delivered: number
  /** Outcomes since the last of the other kind, and which kind. */
  readonly run: { readonly blocked: boolean; readonly length: number }
  /** Part of the other sources' messages turned away around the last step. */
  readonly weather: number
}

/** Steps a trail needs at most: a state is decided by far fewer. */
export const trailLength = 32

const surest = 0.999
const worstWeather = 0.8
const calmSteps = 2
const neighbours = 5

/**
 * @param trails at one provider; of sources not in `sources` ignored
 * @param now ms since 1970
 */
export const listingsAt = (
  sources: readonly string[],
  trails: readonly Trail[],
  now: number,
  parameters: ListingParameters,
): readonly Listing[] => {
  const stepsOf = new Map(trails.map(({ source, steps }) => [source, collapse(steps)]))
  const weatherOf = observeWeather(sources, stepsOf, parameters)
  const found = sources.map((source) => {
    const steps = stepsOf.get(source) ?? []
    const blocked = count(steps, (step) => step.blocked)
    const weather = (at: number): number => weatherOf(source, at)
    return {
      source,
      suspicion: blocked === 0 ? parameters.onset : follow(steps, weather, now, parameters),
      blocked,
      delivered: steps.length - blocked,
      run: runOf(steps),
      weather: weather(steps.at(-1)?.at ?? now),
    }
  })
  const least = found.reduce((low, { suspicion }) => Math.min(low, suspicion), 1)
  return found.map((one) => ({ ...one, health: (1 - one.suspicion) / (1 - least) }))
}

const count = <T>(list: readonly T[], holds: (one: T) => boolean): number =>
  list.reduce((sum, one) => sum + Number(holds(one)), 0)

/** Recipients of one attempt share its time: the same fate at the same moment is one piece of evidence. */
const collapse = (steps: readonly Footstep[]): readonly Footstep[] =>
  steps.filter((step, index) => {
    const before = steps[index - 1]
    return !(before?.at === step.at && before.blocked === step.blocked)
  })

interface Seen extends Footstep {
  readonly source: string
}

/** Part of the other sources' messages turned away around a moment: a few before it and a few after. */
const observeWeather = (
  sources: readonly string[],
  stepsOf: ReadonlyMap<string, readonly Footstep[]>,
  { refused_clear: calm, forgive_s }: ListingParameters,
): ((source: string, at: number) => number) => {
  const heard = sources.map((source) => ({ source, steps: stepsOf.get(source) ?? [] }))
  if (!heard.some(({ steps }) => steps.some((step) => step.blocked))) return () => calm
  const all = heard.flatMap(({ source, steps }) => steps.map(({ at, blocked }): Seen => ({ at, blocked, source })))
  all.sort((a, b) => a.at - b.at)
  const reach = (forgive_s * 1000) / 2
  /** The next few of other sources from `index` on, going by `step` through time. */
  const near = (source: string, at: number, index: number, step: 1 | -1): Seen[] => {
    const found: Seen[] = []
    for (let one = all[index]; one && found.length < neighbours; one = all[(index += step)]) {
      if (Math.abs(one.at - at) >= reach) break
      if (one.source !== source) found.push(one)
    }
    return found
  }
  return (source, at) => {
    const here = firstNotBefore(all, at)
    const others = [...near(source, at, here - 1, -1), ...near(source, at, here, 1)]
    const rate = (count(others, (one) => one.blocked) + calm * calmSteps) / (others.length + calmSteps)
    return Math.min(worstWeather, Math.max(calm, rate))
  }
}

const firstNotBefore = (steps: readonly Footstep[], at: number): number => {
  let [low, high] = [0, steps.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((steps[middle]?.at ?? Infinity) < at) low = middle + 1
    else high = middle
  }
  return low
}

/** Forward filter: the suspicion fades with time and is weighed anew at every step (Bayes). */
const follow = (
  steps: readonly Footstep[],
  weather: (at: number) => number,
  now: number,
  parameters: ListingParameters,
): number => {
  const { onset, refused_listed, forgive_s } = parameters
  const fade = (suspicion: number, gapMs: number): number =>
    onset + (suspicion - onset) * 2 ** (-Math.max(0, gapMs) / (forgive_s * 1000))
  let suspicion = onset
  let last = steps[0]?.at ?? now
  for (const { at, blocked } of steps) {
    // A refusal must speak for a listing and a delivery against it, however bad the weather.
    const refused_clear = Math.min(weather(at), refused_listed)
    const prior = fade(suspicion, at - last)
    const listed = prior * (blocked ? refused_listed : 1 - refused_listed)
    const clear = (1 - prior) * (blocked ? refused_clear : 1 - refused_clear)
    suspicion = Math.min(surest, Math.max(onset, listed / (listed + clear)))
    last = at
  }
  return fade(suspicion, now - last)
}

const runOf = (steps: readonly Footstep[]): Listing['run'] => {
  const last = steps.at(-1)
  if (!last) return { blocked: false, length: 0 }
  const start = steps.findLastIndex((step) => step.blocked !== last.blocked)
  return { blocked: last.blocked, length: steps.length - 1 - start }
}
