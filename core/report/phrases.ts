// The words by which bounces in plain text name people: who failed, who is only mentioned. Lower and upper case alike.

/** A label before a failed address. */
export const failingLabel =
  /^(?:failed )?(?:(?:final |original |bad |invalid |failed |rejected )?recipients?(?: address(?:es)?)?|undeliverable (?:address|to)|(?:failed |bad |destination )?address|rcpt to|user|mailbox|delivery failed(?: \d{1,4} attempts)?|invalid final delivery userid|unknown user|user'?s mailbox is full|e-?mail(?: address)?|unable to deliver(?: (?:the |your )?(?:message|mail))? to(?: the following recipients?)?|could not be delivered to|message (?:to|for)|for|failed|to whom|the following addresses? failed|宛先|送信先|エラーメールアドレス|empf.{1,3}nger|destinataire|destinatario|the (?:user|recipient))$/i

/** A label of the echoed original mail: used only where nothing better is found. */
export const neutralLabel = /^(?:to|cc|bcc|envelope-to|delivered-to|x-[a-z-]{1,40})$/i

/** A label before somebody who did not fail. */
export const otherPersonLabel =
  /^(?:from|sender|reply-to|return-path|contact|system contact|postmaster|administrator|for (?:further|more) .{0,40}|message-id|subject|date|e?mail from|by|with|in-reply-to|references|mail from|envelope-from|resent-from|errors-to|list-.{1,30}|please contact|questions)$/i

/** RFC 3464 fields, which are read elsewhere. */
export const statusLabel = /^(?:(?:final|original|x-actual|x-original)-recipient|x-[a-z-]{1,40})$/i

/** Labels that say nothing about the cause. */
export const plainLabel = /^(?:failed |final |original )?(?:recipient|address|to|for|user|e-?mail|mailbox|rcpt to)s?$/i

/** Lines that name people to turn to. */
export const asksForHelp =
  /(?:contact|assistance|postmaster@|mailer-daemon@|abuse@|help ?desk|support (?:team|desk|center)|call|questions|envelope-from|from mail server|reply to this|problem report|please (?:send|write|forward|e-?mail)|to the address$)/i

/** Sentences with a failed address in them, the surest first. Each has one group, `address`. */
export const inSentences: readonly RegExp[] = [
  /rcpt to: ?<(?<address>[^<>\s]{3,320})>/gi,
  /(?:deliver(?:ing|ed|y)?|send|sent|sending|forward(?:ing)?) (?:the |this |your |of |a )?(?:following )?(?:message|mail|e-?mail|it)?(?: of yours)? ?(?:to|for)(?: the (?:following )?(?:recipients?|address(?:es)?|users?))?:? {0,4}["'<(]{0,2}(?<address>[^\s@]{1,128}@[a-z0-9][a-z0-9._-]{0,250})/gi,
  /(?:message|mail|e-?mail) (?:that )?(?:you sent |addressed |sent |you addressed )?(?:to|for) {0,4}["'<(]{0,2}(?<address>[^\s@]{1,128}@[a-z0-9][a-z0-9._-]{0,250})/gi,
  /(?:undeliverable|undelivered|failed|bounced|rejected|returned|refused)\s{1,4}(?:by|to|for|from|recipient)?\s{0,4}["'<(]{0,2}(?<address>[^\s@]{1,128}@[a-z0-9][a-z0-9._-]{0,250})/gi,
  /\b(?:recipients?|user|address|mailbox|account|mailing list|list|group|addressee|e-?mail address)\b(?: (?:is|was|named|of|name))?:? {0,4}["'<(]{0,3}(?<address>[^\s@]{1,128}@[a-z0-9][a-z0-9._-]{0,250})/gi,
  /(?<address>[^\s<>()[\]",;:'`=|@]{1,128}@[a-z0-9][a-z0-9._-]{0,250})[>"')]{0,2}[:,]? (?:has|is|was|does|could|can|cannot|did|not|user|\.\.\.|unknown|no such|rejected|failed|- no|\[)/gi,
]
