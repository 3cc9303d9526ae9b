// The state of a lane as Redis holds it. It was written by a worker of some version, or by somebody else: what does not
// have the shape, or is out of all proportion, is refused.

import { z } from 'zod'

import { messageOf, SluiceError } from '../errors'
import type { LaneState } from './lane'

/** ms since 1970, counts, connections, rates */
const figure = z.number().min(0).max(Number.MAX_SAFE_INTEGER)

const closing = z.object({ since: figure, until: figure, tries: figure, action: z.string().max(255) })

const stateSchema = z.object({
  gate: z.object({
    cleared: z.object({ at: figure, tries: figure }),
    closings: z.array(closing).max(1000),
    recovery: z.object({ episode: figure, level: figure }),
  }),
  window: z.object({
    at: figure,
    base: figure,
    value: figure,
    refused: figure,
    tries: figure,
    won: figure,
    lost: figure,
    held: figure,
  }),
  rate: z.object({
    at: figure,
    base: figure,
    value: figure,
    refused: figure,
    mode: z.enum(['hold', 'probe', 'search']),
    since: figure,
    tries: figure,
    won: figure,
    lost: figure,
    breaths: figure,
    until: figure,
  }),
  breaker: z.object({ at: figure, failures: figure, tries: figure, until: figure }),
  hits: z.record(z.string().max(64), z.array(z.tuple([figure, z.string().max(64)])).max(1000)),
})

/** @throws SluiceError SLUICE_REDIS_CONTENT */
export const parseLaneState = (text: string): LaneState => {
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch (thrown) {
    throw new SluiceError('SLUICE_REDIS_CONTENT', `the state of a lane: ${messageOf(thrown)}`, { cause: thrown })
  }
}
