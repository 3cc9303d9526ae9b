// Greylisting (RFC 6647): a triple of client /24, sender and recipient is deferred until `seconds` have passed since it
// was first seen; then it passes, and keeps passing until it has not been seen for `expire_s`.

import { z } from 'zod'

import { defineBehaviour } from './behaviour'
import { compileReply, refusalText } from './reply'

const mostTriples = 200_000

const options = z.strictObject({
  seconds: z.number().positive().max(86_400),
  expire_s: z
    .number()
    .positive()
    .max(90 * 86_400)
    .default(86_400),
  reply: refusalText.default('450 4.2.0 <{recipient}>: Recipient address rejected: Greylisted'),
})

interface Triple {
  first: number
  last: number
}

export const greylist = defineBehaviour(options, ({ seconds, expire_s, reply }) => {
  const refusal = compileReply(reply)
  /** In order of last use, so that the oldest is first. */
  const triples = new Map<string, Triple>()
  return {
    stages: ['rcpt'],
    decide: (_, situation) => {
      const { now } = situation
      const key = `${situation.netblock} ${situation.sender} ${situation.recipient}`.toLowerCase()
      const known = triples.get(key)
      const fresh = known && now - known.last <= expire_s * 1000 ? known : { first: now, last: now }
      fresh.last = now
      triples.delete(key)
      const [oldest] = triples.keys()
      if (triples.size >= mostTriples && oldest !== undefined) triples.delete(oldest)
      triples.set(key, fresh)
      const passes = now - fresh.first >= seconds * 1000
      return passes ? undefined : { by: 'greylist', end: 'reply', reply: refusal(situation) }
    },
  }
})
