// At most `max` connections of one client IP at a time, over all MX hosts of the provider.

import { z } from 'zod'

import { defineBehaviour } from './behaviour'
import { compileReply, refusalText } from './reply'

const options = z.strictObject({
  max: z.int().min(1).max(100_000),
  reply: refusalText.default('421 4.7.0 {host} Error: too many connections from {ip}'),
})

export const connectionLimit = defineBehaviour(options, ({ max, reply }) => {
  const refusal = compileReply(reply)
  return {
    stages: ['banner'],
    decide: (_, situation) =>
      situation.open > max ? { by: 'connection_limit', end: 'reply', reply: refusal(situation) } : undefined,
  }
})
