// Attributed findings as outcome records. Their ids are made from what they mean, not from when they were read: a
// complaint of one recipient about one message is the same outcome however often it is told. Delays come again and
// again, and what carries no signature may be a lie that must not stand in the way of the truth: there, and where nobody
// in particular is known, each report is an outcome of its own, the same one only if the very report is taken twice.

import { createHash } from 'node:crypto'

import { hushReply, type Discretion } from '../outcome/recipient'
import type { OutcomeRecord } from '../outcome/record'
import { verifiedBy } from '../suppression/policy'
import type { Attributed } from './attribution'
import { issuedAt } from './proof'

/** What outcomes of the message say of one recipient, or of all. */
export interface Background {
  readonly queue_id: string
  readonly header_message_id: string
  readonly tenant: string
  readonly stream: string
  readonly campaign: string
  readonly pool: string
  readonly source: string
  readonly source_ip: string
  readonly provider: string
  readonly site: string
  readonly recipient_domain: string
  readonly sender_domain: string
}

export interface Arrival {
  /** ms since 1970 */
  readonly at: number
  readonly host: string
  /** Hash of the report, the same each time it is taken. */
  readonly digest: string
}

const uint32 = 0xffffffff

export const reportRecord = (
  { finding, identified_by, message_id, recipient, domain }: Attributed,
  background: Background | undefined,
  { at, host, digest }: Arrival,
  discretion: Discretion,
): OutcomeRecord => {
  const issued = message_id === '' ? at : issuedAt(message_id)
  const { verdict } = finding
  const record: { readonly [K in keyof OutcomeRecord]?: OutcomeRecord[K] | undefined } = {
    message_id: known(message_id.slice(0, 64)),
    queue_id: known(background?.queue_id),
    header_message_id: known(background?.header_message_id),
    tenant: known(background?.tenant),
    stream: known(background?.stream),
    campaign: known(background?.campaign),
    pool: known(background?.pool),
    source: known(background?.source),
    source_ip: known(background?.source_ip),
    recipient: known(recipient.slice(0, 320)),
    recipient_domain: known(word(background?.recipient_domain || domain)),
    sender_domain: known(background?.sender_domain),
    provider: known(background?.provider),
    site: known(background?.site),
    mx_host: known(word(finding.mx_host.toLowerCase())),
    code: finding.code >= 200 && finding.code <= 599 ? finding.code : undefined,
    enhanced: known(word(finding.enhanced)),
    reply: hushReply(finding.reply, finding.recipient, discretion).slice(0, 4096),
    phase: 'report',
    class: verdict.class,
    class_rule: word(verdict.rule),
    blame: verdict.blame,
    identified_by,
    queued_ms: Math.min(uint32, Math.max(0, at - issued)),
    host: word(host),
    worker: 'report',
  }
  const once = verifiedBy.includes(identified_by) && finding.kind !== 'deferred' && recipient !== ''
  const id = outcomeId(finding.kind, message_id, recipient, once ? '' : digest)
  return { ...record, id, at, kind: finding.kind } as OutcomeRecord
}

const known = (text: string | undefined): string | undefined => (text === '' ? undefined : text)
const word = (text: string): string => text.slice(0, 255)

/** A UUID of version 8 (RFC 9562 5.8): the first 122 bits of a hash. */
const outcomeId = (...parts: readonly string[]): string => {
  const bytes = createHash('sha256').update(parts.join('\0').toLowerCase()).digest()
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex', 0, 16)
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
