// Content refused after the dot: markers in a header field or in the beginning of the message. Comparison without regard
// to case, as plain text (no decoding).

import { z } from 'zod'

import { defineBehaviour, type Message } from './behaviour'
import { headerValue } from './message'
import { compileReply, refusalText } from './reply'

const marker = z
  .strictObject({
    /** Name of a header field; absent = anywhere in the first 64 KiB of the message. */
    header: z
      .string()
      .regex(/^[!-9;-~]{1,64}$/, 'a header field name')
      .optional(),
    contains: z.string().min(1).max(200),
    reply: refusalText.optional(),
  })
  .transform(({ contains, ...rest }) => ({ ...rest, contains: contains.toLowerCase() }))

const options = z.strictObject({
  markers: z.array(marker).min(1).max(100),
  reply: refusalText.default('550 5.7.1 Message contains spam or a virus'),
})

const holds = (message: Message, header: string | undefined, contains: string): boolean => {
  const text = header === undefined ? message.begin.toString('latin1') : headerValue(message.begin, header)
  return text?.toLowerCase().includes(contains) === true
}

export const content = defineBehaviour(options, ({ markers, reply }) => {
  const refusals = markers.map((marker) => ({ ...marker, refusal: compileReply(marker.reply ?? reply) }))
  return {
    stages: ['dot'],
    decide: (_, situation) => {
      const { message } = situation
      const found = message && refusals.find(({ header, contains }) => holds(message, header, contains))
      return found && { by: 'content', end: 'reply', reply: found.refusal(situation) }
    },
  }
})
