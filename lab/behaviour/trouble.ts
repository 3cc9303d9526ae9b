// Trouble that comes by chance: temporary failures, and connections that close, reset or fall silent, in a seeded share
// of all cases at a stage. The order of the draws is the order of the cases at the provider.

import { z } from 'zod'

import { diceOf } from '../dice'
import { defineBehaviour, disruptions, stages, type Decision, type Stage } from './behaviour'
import { compileReply, refusalText } from './reply'

const share = z.number().min(0).max(1)

export const failures = defineBehaviour(
  z
    .array(z.strictObject({ at: z.enum(stages), share, reply: refusalText.default('451 4.3.0 Temporary failure') }))
    .max(20),
  (cases, { seed, provider }) => {
    const dice = diceOf(seed, provider, 'failures')
    const compiled = cases.map((one) => ({ ...one, refusal: compileReply(one.reply) }))
    return {
      stages: [...new Set(cases.map(({ at }) => at))],
      decide: (stage: Stage, situation): Decision | undefined => {
        const met = compiled.find(({ at, share }) => at === stage && dice() < share)
        return met && { by: 'failures', end: 'reply', reply: met.refusal(situation) }
      },
    }
  },
)

export const disruptionsByChance = defineBehaviour(
  z.array(z.strictObject({ at: z.enum(stages), share, how: z.enum(disruptions) })).max(20),
  (cases, { seed, provider }) => {
    const dice = diceOf(seed, provider, 'disruptions')
    return {
      stages: [...new Set(cases.map(({ at }) => at))],
      decide: (stage: Stage): Decision | undefined => {
        const met = cases.find(({ at, share }) => at === stage && dice() < share)
        return met && { by: 'disruptions', end: met.how }
      },
    }
  },
)
