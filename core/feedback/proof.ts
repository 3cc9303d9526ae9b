// What a report carries of ours, and what that proves. Looked for in one order: header token, return path (or envelope
// id), then the one-click link; whatever else the report says is hearsay. All proofs are of one message: the first that
// is found decides which.

import type { FeedbackConfig } from '../config/feedback'
import { cfblIdHeader, tokenHeader, verifyHeaderToken } from '../identity/header-token'
import { verifyReturnPath } from '../identity/return-path'
import type { Keyring } from '../identity/token'
import { linkIn, verifyUnsubscribe } from '../identity/unsubscribe-link'
import type { Identification } from '../outcome/record'
import type { OriginalMail } from '../report/report'

export interface Proof {
  readonly by: Extract<Identification, 'header_token' | 'return_path' | 'unsubscribe_link'>
  readonly message_id: string
  /** ms since 1970 */
  readonly issued: number
  /** Written for several recipients: it says nothing about which of them is meant. */
  readonly several: boolean
  /** Written for this very recipient. */
  readonly isFor: (recipient: string) => boolean
}

export interface Clues {
  /** Addresses the report came to. */
  readonly rcpt_to: readonly string[]
  readonly original: Pick<OriginalMail, 'headers' | 'return_path' | 'envelope_id'>
}

/** A header of a forwarded mail may hold many; more than this is not looked at. */
const mostOfAField = 5
const returnPathForm = /\b(b-[a-z2-7]{47})@([a-z0-9.-]{1,253})/gi

/** @param now ms since 1970: when the report came */
export const proofsIn = (
  { rcpt_to, original }: Clues,
  keys: Keyring,
  { headers, return_path, unsubscribe }: FeedbackConfig,
  now: number,
): Proof[] => {
  const fields = (name: string): readonly string[] => original.headers.all(name.toLowerCase()).slice(0, mostOfAField)
  const found: Proof[] = []
  for (const value of [...fields(tokenHeader), ...fields(cfblIdHeader)]) {
    const verified = verifyHeaderToken(keys, value, now, headers.max_age_days)
    if (verified.ok) found.push({ by: 'header_token', ...verified })
  }
  if (return_path) {
    const places = [...rcpt_to.slice(0, 100), original.return_path, original.envelope_id]
    for (const [, local = '', domain = ''] of places.flatMap((text) => [...text.matchAll(returnPathForm)])) {
      if (domain.toLowerCase() !== return_path.domain) continue
      const verified = verifyReturnPath(keys, local, now, return_path.max_age_days)
      if (verified.ok) found.push({ by: 'return_path', ...verified })
    }
  }
  if (unsubscribe) {
    for (const value of fields('list-unsubscribe')) {
      const verified = verifyUnsubscribe(keys, linkIn(value) ?? '', now, unsubscribe.max_age_days)
      if (verified.ok) found.push(proofOfLink(verified.message_id, verified.recipient))
    }
  }
  return found.filter(({ message_id }) => message_id === found[0]?.message_id)
}

export const proofOfLink = (message_id: string, recipient: string): Proof => ({
  by: 'unsubscribe_link',
  message_id,
  issued: issuedAt(message_id),
  several: false,
  isFor: (address) => address.trim().toLowerCase() === recipient.trim().toLowerCase(),
})

/** The time in a UUIDv7, ms since 1970 (RFC 9562 5.7). */
export const issuedAt = (message_id: string): number => parseInt(message_id.replaceAll('-', '').slice(0, 12), 16)
