// A lane against receivers that publish nothing: within 3 minutes of the start, and of every change, it finds 90 % of
// what is allowed, and from then on wastes less than 5 % of its attempts on refusals.
import { describe, expect, it } from 'vitest'

import { minute } from '@sluice/core/shaping/rate'
import { defaultReaction } from '@sluice/core/shaping/reaction'

import { simulate, sum, type HiddenLimits, type Simulation } from './receiver'

const change = 8 * minute
const found = 3 * minute
const plenty = 1_000_000

interface Case {
  readonly name: string
  readonly hidden: readonly HiddenLimits[]
  /** ms a message takes */
  readonly latency: number
}

const cases: readonly Case[] = [
  {
    name: 'connections 7, then 3, then 20',
    latency: 500,
    hidden: [7, 3, 20].map((connections) => ({ connections, messages: plenty })),
  },
  {
    name: 'messages 300 a minute, then 100, then 600',
    latency: 300,
    hidden: [300, 100, 600].map((messages) => ({ connections: 20, messages })),
  },
  {
    name: 'messages 1200 a minute, then 3000, then 600',
    latency: 200,
    hidden: [1200, 3000, 600].map((messages) => ({ connections: 20, messages })),
  },
  {
    name: 'messages 60 a minute, then 120, then 30',
    latency: 200,
    hidden: [60, 120, 30].map((messages) => ({ connections: 20, messages })),
  },
  {
    name: 'both, now the one and now the other the tighter',
    latency: 500,
    hidden: [
      { connections: 8, messages: 400 },
      { connections: 4, messages: 1000 },
      { connections: 16, messages: 250 },
    ],
  },
]

const run = (one: Case, window: Simulation['window'], seed: number, workers = 1) =>
  simulate({
    seed,
    workers,
    window,
    latency: one.latency,
    messagesPerConnection: 20,
    lasts: one.hidden.length * change,
    hidden: one.hidden.map((limits, index) => [index * change, limits] as const),
    limits: { connection_limit: 40, message_rate: [{ limit: 100, window_ms: 1000 }], reaction: defaultReaction },
  })

const judge = (one: Case, window: Simulation['window'], seed: number, workers?: number): void => {
  const result = run(one, window, seed, workers)
  one.hidden.forEach(({ connections, messages }, index) => {
    const from = (index * change + found) / 1000
    const to = ((index + 1) * change) / 1000
    const allowed = Math.min(messages, (connections * minute) / one.latency)
    const { perMinute, waste } = sum(result, from, to)
    const what = `seed ${seed}, part ${index}: ${perMinute.toFixed(0)} of ${allowed}/min, waste ${(waste * 100).toFixed(1)} %`
    expect(perMinute, what).toBeGreaterThan(0.9 * allowed)
    expect(waste, what).toBeLessThan(0.05)
  })
}

describe.each(['sliding', 'clock'] as const)('against limits counted in %s minutes', (window) => {
  it.each(cases)('one worker finds and keeps $name', (one) => {
    judge(one, window, 1)
  })

  it.each(cases)('eight workers that learn apart find and keep $name', (one) => {
    judge(one, window, 3, 8)
  })
})

describe('a lane whose receiver never refuses', () => {
  it('uses what is configured, all of it', () => {
    const result = simulate({
      seed: 1,
      window: 'sliding',
      latency: 200,
      messagesPerConnection: 100,
      lasts: 3 * minute,
      hidden: [[0, { connections: 100, messages: plenty }]],
      limits: { connection_limit: 10, message_rate: [{ limit: 30, window_ms: 1000 }], reaction: defaultReaction },
    })
    expect(sum(result, 60, 180).perMinute).toBeGreaterThan(0.9 * 30 * 60)
    for (const { accepted, connections } of result.seconds) {
      // Accepted when it ends, paced when it begins: a second may see what began in parts of two.
      expect(accepted).toBeLessThanOrEqual(30 + 10)
      expect(connections).toBeLessThanOrEqual(10)
    }
  })
})
