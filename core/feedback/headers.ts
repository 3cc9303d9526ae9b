// The header fields by which reports find back, on a message that leaves: the token, Feedback-ID (Google), CFBL-Address
// (RFC 9477), one-click unsubscribe (RFC 8058). What the submitter wrote is kept where it works by itself: a Feedback-ID,
// a CFBL-Address, a List-Unsubscribe with an https link. A List-Unsubscribe with nothing but a mail address gets our
// link in front.

import type { FeedbackConfig } from '../config/feedback'
import { cfblIdHeader, signHeaderToken, tokenHeader } from '../identity/header-token'
import type { Keyring, TokenSubject } from '../identity/token'
import { unsubscribeLink } from '../identity/unsubscribe-link'
import type { Tag } from '../stream/tag'

export interface Leaving {
  readonly tag: Tag
  /** Envelope recipients. */
  readonly recipients: readonly string[]
  /** First value of a header field; undefined where the field is absent. */
  readonly header: (name: string) => string | undefined
}

export interface HeaderChanges {
  /** All fields of these names go. */
  readonly remove: readonly string[]
  readonly add: readonly (readonly [name: string, value: string])[]
}

const listUnsubscribe = 'List-Unsubscribe'
const listUnsubscribePost = 'List-Unsubscribe-Post'
const longestName = 60

export const feedbackHeaders = (config: FeedbackConfig, keys: Keyring, mail: Leaving): HeaderChanges => {
  const { feedback_id: sender, cfbl_address: cfbl } = config.headers
  const token = signHeaderToken(keys, subjectOf(mail))
  const add: [string, string][] = [[tokenHeader, token]]
  const remove = [tokenHeader]
  if (sender !== undefined && mail.header('Feedback-ID') === undefined) {
    add.push(['Feedback-ID', feedbackId(mail.tag, sender)])
  }
  if (cfbl !== undefined && mail.header('CFBL-Address') === undefined) {
    add.push(['CFBL-Address', `${cfbl}; report=arf`], [cfblIdHeader, token])
    remove.push(cfblIdHeader)
  }
  const link = unsubscribeOf(config, keys, mail)
  if (link !== undefined) {
    add.push([listUnsubscribe, link], [listUnsubscribePost, 'List-Unsubscribe=One-Click'])
    remove.push(listUnsubscribe, listUnsubscribePost)
  }
  return { remove, add }
}

const subjectOf = ({ tag, recipients }: Leaving): TokenSubject => {
  const [only] = recipients
  return recipients.length === 1 && only !== undefined
    ? { message_id: tag.message_id, recipient: only }
    : { message_id: tag.message_id }
}

/** At most four parts, the sender last; colons divide them. */
const feedbackId = ({ campaign, tenant, stream }: Tag, sender: string): string =>
  [campaign, tenant, stream]
    .map((name) => `${name.replace(/[^A-Za-z0-9._-]+/g, '_').slice(0, longestName)}:`)
    .join('') + sender

/** The field's value; undefined where the stream asks for none, nobody in particular is meant, or theirs works. */
const unsubscribeOf = (
  { unsubscribe }: FeedbackConfig,
  keys: Keyring,
  { tag, recipients, header }: Leaving,
): string | undefined => {
  const [recipient] = recipients
  if (!unsubscribe?.streams.includes(tag.stream) || recipient === undefined || recipients.length > 1) return undefined
  const theirs = header(listUnsubscribe) ?? ''
  if (/<https:/i.test(theirs)) return undefined
  const mailto = /<mailto:[^<>\s]{1,500}>/i.exec(theirs)?.[0]
  const ours = `<${unsubscribeLink(keys, unsubscribe.url, tag.message_id, recipient)}>`
  return mailto === undefined ? ours : `${ours}, ${mailto}`
}
