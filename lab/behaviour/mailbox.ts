// Recipients that cannot be delivered to: unknown users, full mailboxes. Which ones they are is a property of the
// address (a pattern on the local part, or a seeded share of all addresses), so it never changes between attempts.

import { z } from 'zod'

import { defineBehaviour, inShare, type Surroundings } from './behaviour'
import { compileReply, refusalText } from './reply'

const pattern = z
  .string()
  .max(200)
  .refine((text) => {
    try {
      return new RegExp(text, 'i').source !== ''
    } catch {
      return false
    }
  }, 'not a regular expression')

const recipients = (by: string, text: string) =>
  defineBehaviour(
    z.strictObject({
      /** Share of all addresses, 0..1. */
      share: z.number().min(0).max(1).default(0),
      /** Regular expression on the local part, without regard to case. */
      pattern: pattern.optional(),
      reply: refusalText.default(text),
    }),
    ({ share, pattern: source, reply }, surroundings: Surroundings) => {
      const refusal = compileReply(reply)
      const local = source === undefined ? undefined : new RegExp(source, 'i')
      const isOne = (address: string): boolean =>
        local?.test(address.slice(0, address.lastIndexOf('@'))) === true || inShare(share, by, surroundings, address)
      return {
        stages: ['rcpt'],
        decide: (_, situation) =>
          isOne(situation.recipient) ? { by, end: 'reply', reply: refusal(situation) } : undefined,
      }
    },
  )

export const unknownUsers = recipients(
  'unknown_users',
  '550 5.1.1 <{recipient}>: Recipient address rejected: User unknown',
)

export const fullMailboxes = recipients('full_mailboxes', '452 4.2.2 <{recipient}>: Mailbox full')
