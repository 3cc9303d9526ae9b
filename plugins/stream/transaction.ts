// The part of Haraka's transaction that is read and changed for mail that leaves, and the id of its message.

import { uuid7, type MailAddress } from 'haraka-plugin-sluice-host'

import type { Transaction as Taggable } from './tag-message'

export interface Transaction extends Taggable {
  readonly mail_from: MailAddress | null
  rcpt_to: readonly MailAddress[]
  add_header(name: string, value: string): void
}

/** Key of the message's id in Haraka's notes, from the first moment that somebody asks for it. */
const idNote = 'sluice_message_id'

/** UUIDv7 of the message: the same before and after it is tagged. */
export const messageIdOf = ({ notes }: Pick<Transaction, 'notes'>): string => {
  const known = notes[idNote]
  if (typeof known === 'string') return known
  const made = uuid7(Date.now())
  notes[idNote] = made
  return made
}
