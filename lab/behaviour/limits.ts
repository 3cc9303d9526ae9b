// Limits on what one connection or one message may carry, and the demand for TLS.

import { z } from 'zod'

import { defineBehaviour } from './behaviour'
import { compileReply, refusalText } from './reply'

/** The connection ends at MAIL number max + 1. */
export const messagesPerConnection = defineBehaviour(
  z.strictObject({
    max: z.int().min(1).max(1_000_000),
    reply: refusalText.default('421 4.7.0 {host} Too many messages for this session, closing'),
  }),
  ({ max, reply }) => {
    const refusal = compileReply(reply)
    return {
      stages: ['mail'],
      decide: (_, situation) =>
        situation.nth > max ? { by: 'messages_per_connection', end: 'reply', reply: refusal(situation) } : undefined,
    }
  },
)

export const recipientsPerMessage = defineBehaviour(
  z.strictObject({
    max: z.int().min(1).max(1_000_000),
    reply: refusalText.default('452 4.5.3 Too many recipients'),
  }),
  ({ max, reply }) => {
    const refusal = compileReply(reply)
    return {
      stages: ['rcpt'],
      decide: (_, situation) =>
        situation.accepted >= max
          ? { by: 'recipients_per_message', end: 'reply', reply: refusal(situation) }
          : undefined,
    }
  },
)

/** No mail in clear text. The provider must offer STARTTLS. */
export const requireTls = defineBehaviour(
  z.strictObject({ reply: refusalText.default('530 5.7.0 Must issue a STARTTLS command first') }),
  ({ reply }) => {
    const refusal = compileReply(reply)
    return {
      stages: ['mail'],
      decide: (_, situation) =>
        situation.tls ? undefined : { by: 'require_tls', end: 'reply', reply: refusal(situation) },
    }
  },
)
