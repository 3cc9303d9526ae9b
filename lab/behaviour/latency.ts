// How long a receiver thinks before it answers at each stage: a fixed time and a seeded jitter on top, evenly spread.

import { z } from 'zod'

import { diceOf } from '../dice'
import { stages, type Stage } from './behaviour'

const wait = z
  .union([
    z.number().transform((ms) => ({ ms, jitter_ms: 0 })),
    z.strictObject({ ms: z.number().default(0), jitter_ms: z.number().default(0) }),
  ])
  .refine(({ ms, jitter_ms }) => ms >= 0 && jitter_ms >= 0 && ms + jitter_ms <= 600_000, 'between 0 and 600000 ms')

/** Milliseconds by stage, or `{ms, jitter_ms}`. */
export const latencySchema = z.partialRecord(z.enum(stages), wait)
export type LatencyOptions = z.output<typeof latencySchema>

/** Milliseconds to wait at a stage; 0 = at once. */
export type Latency = (stage: Stage) => number

export const latencyOf = (options: LatencyOptions, seed: string, provider: string): Latency => {
  const dice = diceOf(seed, provider, 'latency')
  return (stage) => {
    const spec = options[stage]
    if (!spec) return 0
    return spec.jitter_ms > 0 ? spec.ms + dice() * spec.jitter_ms : spec.ms
  }
}
