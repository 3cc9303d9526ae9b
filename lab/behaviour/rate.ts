// Message and connection rates per client IP: at most `max` per `per_s` seconds in every sliding window. What is refused
// does not count, so a client that keeps knocking gets through at exactly the allowed rate.

import { z } from 'zod'

import { defineBehaviour, type Behaviour, type Stage } from './behaviour'
import { compileReply, refusalText } from './reply'
import { SlidingLimit } from './window'

const mostClients = 10_000

const windows = z
  .array(
    z.strictObject({
      max: z.int().min(1).max(1_000_000),
      per_s: z.number().positive().max(86_400),
      /** Text of this window; otherwise that of the behaviour. */
      reply: refusalText.optional(),
    }),
  )
  .min(1)
  .max(8)

type Windows = z.output<typeof windows>

const limiter = (by: string, stage: Stage, specs: Windows, fallback: string): Behaviour => {
  const refusals = specs.map((spec) => compileReply(spec.reply ?? fallback))
  const clients = new Map<string, readonly SlidingLimit[]>()
  const limitsOf = (ip: string): readonly SlidingLimit[] => {
    const known = clients.get(ip)
    if (known) return known
    const limits = specs.map(({ max, per_s }) => new SlidingLimit(max, per_s * 1000))
    const [oldest] = clients.keys()
    if (clients.size >= mostClients && oldest !== undefined) clients.delete(oldest)
    clients.set(ip, limits)
    return limits
  }
  return {
    stages: [stage],
    decide: (_, situation) => {
      const limits = limitsOf(situation.ip)
      const full = limits.findIndex((limit) => !limit.fits(situation.now))
      const refusal = refusals[full]
      if (refusal) return { by, end: 'reply', reply: refusal(situation) }
      for (const limit of limits) limit.take(situation.now)
      return undefined
    },
  }
}

/** `at: rcpt` counts recipients, otherwise messages. */
export const messageRate = defineBehaviour(
  z.strictObject({
    at: z.enum(['mail', 'rcpt', 'dot']).default('mail'),
    windows,
    reply: refusalText.default('450 4.7.1 Error: too much mail from {ip}'),
  }),
  ({ at, windows: specs, reply }) => limiter('message_rate', at, specs, reply),
)

export const connectionRate = defineBehaviour(
  z.strictObject({
    windows,
    reply: refusalText.default('421 4.7.0 {host} Error: too frequent connections from {ip}'),
  }),
  ({ windows: specs, reply }) => limiter('connection_rate', 'banner', specs, reply),
)
