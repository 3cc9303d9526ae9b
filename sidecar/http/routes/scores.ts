// Scores with everything they were made from, so that every weight can be explained.

import { z } from 'zod'

import { route, type Route } from '../route'
import type { Services } from '../services'
import { nameShape, timeShape } from '../shapes'

const standingShape = z.object({
  delivered: z.number().meta({ description: 'decayed count, as the next two' }),
  throttled: z.number(),
  blocked: z.number(),
  observed: z.number().meta({ description: "messages' worth accepted" }),
  expected: z.number().meta({ description: "what the pool's best source would have had accepted of the same mix" }),
  ratio: z.number().meta({ description: 'observed over expected, shrunken towards 1' }),
  bound: z.number().meta({ description: 'the highest ratio the evidence still allows' }),
  reputation: z.number().meta({ description: 'bound ^ sharpness' }),
})

const listingShape = z.object({
  suspicion: z.number().meta({ description: 'probability of being on a block list now' }),
  health: z.number().meta({ description: "1 - suspicion, relative to the pool's least suspect" }),
  blocked: z.number().meta({ description: 'of the latest outcomes' }),
  delivered: z.number(),
  run: z.object({ blocked: z.boolean(), length: z.number() }).meta({ description: 'the latest outcomes of one kind' }),
  weather: z.number().meta({ description: "part of the other sources' messages turned away" }),
})

const scoreShape = z
  .object({
    pool: z.string(),
    provider: z.string(),
    source: z.string(),
    base: z.number(),
    weight: z.number(),
    multiplier: z.number().meta({ description: 'in force, 0..1' }),
    because: z.enum(['best', 'steady', 'falling', 'rising', 'floor']),
    target: z.number().meta({ description: 'reputation x health: where the multiplier is going' }),
    floor: z.number(),
    prior: z.number().meta({ description: 'strength of the prior, in observations' }),
    standing: standingShape,
    listing: listingShape,
    inputs: z.array(
      z.object({
        stream: z.string(),
        delivered: z.number(),
        throttled: z.number(),
        blocked: z.number(),
        delivered_count: z.number(),
        throttled_count: z.number(),
        blocked_count: z.number(),
        last_refused_at: timeShape,
        last_rule: z.string(),
      }),
    ),
  })
  .meta({ id: 'Score' })

const query = z.strictObject({
  pool: nameShape.optional(),
  provider: nameShape.optional(),
  source: nameShape.optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
})

export const scoreRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/scores',
    scope: 'read',
    name: 'readScores',
    says: 'Scores by pool, provider and source with their inputs, the lowest first',
    query,
    answer: z.object({ at: timeShape, scores: z.array(scoreShape) }),
    handle: async ({ query: { pool, provider, source, limit } }) => {
      const { at, scores, tallies } = await services.scorer.report()
      const inputs = new Map<string, (typeof tallies)[number][]>()
      for (const tally of tallies) {
        const key = JSON.stringify([tally.source, tally.provider])
        inputs.set(key, [...(inputs.get(key) ?? []), tally])
      }
      const wanted = scores
        .filter(
          (one) =>
            (pool === undefined || one.pool === pool) &&
            (provider === undefined || one.provider === provider) &&
            (source === undefined || one.source === source),
        )
        .sort((a, b) => a.multiplier - b.multiplier)
        .slice(0, limit)
      return {
        at,
        scores: wanted.map((one) => ({ ...one, inputs: inputs.get(JSON.stringify([one.source, one.provider])) ?? [] })),
      }
    },
  }),
]
