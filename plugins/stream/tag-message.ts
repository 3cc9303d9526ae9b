// Tags a message that leaves: which stream it belongs to, for whom, and an id of its own. The tag goes into the notes
// of the transaction, which Haraka writes into the queue file; the header fields that named stream, tenant and campaign
// are removed, all of them, so that no receiver sees them.

import type { EgressConfig } from '@sluice/core/config/egress'
import { matchStream } from '@sluice/core/stream/match'
import { tagNote, type Tag } from '@sluice/core/stream/tag'

import { cleanMessageId, cleanName } from './clean'
import { fromDomain, signatureDomain } from './domains'

/** The part of Haraka's transaction that is read and changed here. */
export interface Transaction {
  readonly uuid: string
  readonly notes: Record<string, unknown>
  readonly mail_from: { readonly host: string } | null
  readonly data_bytes: number
  readonly header: { get_all(name: string): readonly string[] }
  remove_header(name: string): void
}

export interface Submitted {
  readonly transaction: Transaction
  /** Authenticated SMTP user; undefined where nobody logged in. */
  readonly user: string | undefined
  /** UUIDv7 for the message. */
  readonly messageId: string
}

/** Mail already tagged keeps its tag: the hook may see a transaction twice. */
export const tagMessage = (config: EgressConfig, { transaction, user, messageId }: Submitted): Tag => {
  const first = (name: string): string | undefined => {
    const [value] = transaction.header.get_all(name)
    return value === undefined ? undefined : cleanName(value)
  }
  const known = transaction.notes[tagNote]
  const tag: Tag = isTag(known)
    ? known
    : {
        message_id: messageId,
        stream: matchStream(config, { user, sender_domain: transaction.mail_from?.host || undefined, header: first }),
        tenant: first(config.headers.tenant) ?? '',
        campaign: first(config.headers.campaign) ?? '',
        header_message_id: '',
        size: transaction.data_bytes,
      }
  // Haraka adds a Message-ID where there is none, after the first look.
  const header_message_id = tag.header_message_id || cleanMessageId(transaction.header.get_all('Message-ID')[0] ?? '')
  const from_domain = tag.from_domain ?? fromDomain(transaction.header.get_all('From')[0] ?? '')
  const complete = { ...tag, header_message_id, ...(from_domain !== undefined && { from_domain }) }
  transaction.notes[tagNote] = complete
  for (const name of Object.values(config.headers)) transaction.remove_header(name)
  return complete
}

/** Notes by whom the message is signed; called when the plugins that sign have run. */
export const noteSignature = ({ notes, header }: Pick<Transaction, 'notes' | 'header'>): void => {
  const tag = notes[tagNote]
  if (!isTag(tag)) return
  const dkim_domain = signatureDomain(header.get_all('DKIM-Signature'), tag.from_domain)
  if (dkim_domain !== undefined) notes[tagNote] = { ...tag, dkim_domain }
}

const isTag = (value: unknown): value is Tag => typeof value === 'object' && value !== null && 'message_id' in value
