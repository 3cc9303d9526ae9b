// The mail that came back: its headers stand in a message/rfc822 or text/rfc822-headers part, or below a line such as
// "--- Below this line is a copy of the message." in the text.

import { addressesIn, addressIn } from './address'
import { Headers, parseHeaders, type Mail } from './mail'
import type { OriginalMail } from './report'

const markers =
  /^[\s>*#|=_.-]{0,60}(?:below this line is a copy|this is a copy of (?:the|your) message|(?:the )?(?:body|header|headers?) of (?:the|your) (?:original )?message (?:is )?follow|(?:the )?header and top|original (?:message|mail|headers?)(?: info(?:rmation)?)?(?: follows?| below| is| attached| \(|\s{0,5}[-=_:*]|[:.]?$)|start of (?:returned|original) message|(?:text|copy) of (?:your|the) message|(?:your )?(?:message|mail) (?:text |headers? )?follows|message headers? follow|unsent message|returned (?:message|mail)(?: follows| below| is|\s{0,5}[-=_:*])|included is a copy|(?:the )?(?:first|original) .{0,30}lines of|forwarded message|undelivered message|your (?:original )?message (?:reads|began|follows|is attached|is below)|(?:begin|start|beginning) (?:of )?(?:forwarded|returned|original|undelivered)|header of the original|original mail|copy of the (?:original|returned)|--- end of|enclosed (?:is|please)|attached (?:is|to this)|\|-+ message text|unsent message below)|^(?:received: ?from|return-path: ?<|content-type: ?message\/rfc822)/im
const startOfHeaders =
  /^(?:received|return-path|message-id|from|to|date|subject|mime-version|x-[a-z0-9-]{1,40}|dkim-signature|delivered-to):[ \t]?\S/im

/** Where the copy of the original begins; the length of the text where there is none. */
export const originalAt = (text: string): number => {
  const found = markers.exec(text)
  return found ? found.index : text.length
}

const emptyHeaders = new Headers()

/**
 * Headers of the original mail, wherever the report keeps them.
 * @param copy what stands below the report's own words
 */
export const originalHeaders = (mail: Mail, copy: string): Headers => {
  const part = mail.parts.find(({ type }) =>
    /^(?:message\/(?:rfc822|global|partial)|(?:text|message)\/rfc822-headers?)/.test(type),
  )
  if (part) return parseHeaders(part.text.trimStart())
  const start = startOfHeaders.exec(copy)
  return start ? parseHeaders(copy.slice(start.index)) : emptyHeaders
}

/** @param fields further places for identity: the fields of a delivery-status or feedback-report part */
export const originalOf = (headers: Headers, fields: Headers = emptyHeaders): OriginalMail => ({
  message_id: headers.get('message-id') || fields.get('original-message-id'),
  return_path: addressIn(headers.get('return-path')) ?? addressIn(fields.get('original-mail-from')) ?? '',
  envelope_id: fields.get('original-envelope-id'),
  feedback_id: headers.get('feedback-id'),
  to: addressesIn(headers.get('to')),
  headers,
})
