// The closed loop in small: sources share the traffic by their weights, a provider lists one of them, the refusals
// come back as decayed counts, the score moves the weights. Expected values instead of dice, so every run is the same.
import { describe, expect, it } from 'vitest'

import { trailLength, type Footstep, type Trail } from '@sluice/core/score/listing'
import type { ScoreParameters } from '@sluice/core/score/parameters'
import { multipliersAfter, score, type Multipliers, type Score } from '@sluice/core/score/score'
import type { Tally } from '@sluice/core/score/tally'

const demo: ScoreParameters = {
  throttle_weight: 0.5,
  confidence: 1,
  prior: { min: 1, max: 10 },
  sharpness: 3,
  listing: { onset: 1e-5, refused_listed: 0.9, refused_clear: 0.01, forgive_s: 300 },
  double_s: 10,
  halve_s: 1,
  hysteresis: 0.1,
  explore: 0.05,
}
const halfLife = 60
const providers = ['google', 'yahoo']

interface World {
  readonly pool: Readonly<Record<string, number>>
  /** Messages per second to each provider. */
  readonly rate: number
  /** Part of the messages turned away. */
  readonly blocked: (source: string, provider: string, second: number) => number
  readonly seconds: number
  /** Seconds until an outcome is known to the scorer. */
  readonly lag?: number
}

/** Deals whole messages: a source gets one each time its share has added up to one. */
class Lane {
  private owed = 0
  private refusalsOwed = 0
  private delivered = 0
  private blocked = 0
  private known = 0
  private readonly steps: Footstep[] = []

  send(messages: number, refused: number, second: number): void {
    this.owed += messages
    const whole = Math.floor(this.owed)
    this.owed -= whole
    for (let index = 0; index < whole; index++) {
      this.refusalsOwed += refused
      const blocked = this.refusalsOwed >= 1
      if (blocked) this.refusalsOwed -= 1
      this.steps.push({ at: second * 1000 + (index * 1000) / whole, blocked })
    }
  }

  /** What is known at `second`; asked once for every second. */
  tally(source: string, provider: string, second: number): Tally {
    const keep = 2 ** (-1 / halfLife)
    this.delivered *= keep
    this.blocked *= keep
    for (let step = this.steps[this.known]; step && step.at < second * 1000; step = this.steps[++this.known]) {
      if (step.blocked) this.blocked += 1
      else this.delivered += 1
    }
    return { source, provider, stream: 'bulk', delivered: this.delivered, throttled: 0, blocked: this.blocked }
  }

  trail(source: string, provider: string): Trail {
    return { source, provider, steps: this.steps.slice(Math.max(0, this.known - trailLength), this.known) }
  }
}

/** Share of a provider's traffic by source, per second. */
const run = ({ pool, rate, blocked, seconds, lag = 3 }: World) => {
  const sources = Object.keys(pool)
  const lanes = new Map(providers.flatMap((provider) => sources.map((source) => [`${source} ${provider}`, new Lane()])))
  const lane = (source: string, provider: string): Lane => lanes.get(`${source} ${provider}`) ?? new Lane()
  let multipliers: Multipliers = new Map()
  let scores: readonly Score[] = []
  const weightOf = (provider: string, source: string): number =>
    scores.find((one) => one.provider === provider && one.source === source)?.weight ?? pool[source] ?? 0
  const shares: Record<string, Record<string, number>>[] = []
  for (let second = 0; second < seconds; second++) {
    const now: Record<string, Record<string, number>> = {}
    for (const provider of providers) {
      const total = sources.reduce((sum, source) => sum + weightOf(provider, source), 0)
      for (const source of sources) {
        const share = weightOf(provider, source) / total
        ;(now[provider] ??= {})[source] = share
        lane(source, provider).send(rate * share, blocked(source, provider, second), second)
      }
    }
    shares.push(now)
    const known = Math.max(0, second + 1 - lag)
    const pairs = providers.flatMap((provider) => sources.map((source) => ({ source, provider })))
    const evidence = {
      at: known * 1000,
      tallies: pairs.map(({ source, provider }) => lane(source, provider).tally(source, provider, known)),
      trails: pairs.map(({ source, provider }) => lane(source, provider).trail(source, provider)),
    }
    scores = score({ main: pool }, evidence, multipliers, 1, demo)
    multipliers = multipliersAfter(scores)
  }
  return (provider: string, source: string, second: number): number => shares[second]?.[provider]?.[source] ?? NaN
}

const listed = { from: 120, to: 240 }
const listing = (source: string, provider: string, second: number): number =>
  source === 'a' && provider === 'google' && second >= listed.from && second < listed.to ? 1 : 0.01

describe('the loop, with the parameters of the demo', () => {
  const pools = [
    { a: 3, b: 1 },
    { a: 1, b: 1, c: 1, d: 1 },
    { a: 9, b: 1 },
    { a: 2, b: 1, c: 5 },
  ]

  for (const rate of [8, 20, 100]) {
    it.each(pools)(
      `at ${rate} messages/s in %j: a listed source leaves within 30 s and is back within 2 minutes`,
      (pool) => {
        const share = run({ pool, rate, blocked: listing, seconds: listed.to + 180 })
        const base = share('google', 'a', 0)
        for (let second = listed.from + 30; second < listed.to; second++) {
          expect(share('google', 'a', second)).toBeLessThanOrEqual(0.1 * base)
        }
        expect(share('google', 'a', listed.to + 120)).toBeGreaterThan(0.5 * base)
      },
    )
  }

  it('takes nothing away at providers that did not list it', () => {
    const share = run({ pool: { a: 3, b: 1 }, rate: 8, blocked: listing, seconds: 300 })
    for (let second = 0; second < 300; second++) expect(share('yahoo', 'a', second)).toBeCloseTo(0.75, 9)
  })

  it('leaves the weights where they are when the provider refuses everybody', () => {
    const storm = (_source: string, provider: string, second: number): number =>
      provider === 'google' && second > 60 ? 0.7 : 0
    const share = run({ pool: { a: 3, b: 1, c: 1 }, rate: 20, blocked: storm, seconds: 200 })
    for (let second = 0; second < 200; second++) {
      expect(share('google', 'a', second)).toBeGreaterThan(0.5)
      expect(share('google', 'a', second)).toBeLessThan(0.7)
    }
  })
})
