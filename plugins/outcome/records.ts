// From what host reports to outcome records: one for every recipient of an attempt, one for every MX host that was
// tried in vain before, one for every recipient at acceptance or suppressed. Values are cut to the bounds of the
// record's fields, so that no receiver can write what the reader refuses.

import type { Verdict } from '@sluice/core/bounce/verdict'
import { hushReply, sayRecipient, type Discretion } from '@sluice/core/outcome/recipient'
import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { tagOf, type Tag } from '@sluice/core/stream/tag'
import {
  uuid7,
  type Dropped,
  type Evidence,
  type Host,
  type Settlement,
  type Suppressed,
} from 'haraka-plugin-sluice-host'

/** What holds for all records of a worker. */
export interface Scene {
  readonly verdictOf: Host['verdictOf']
  readonly discretion: Discretion
  readonly host: string
  readonly worker: string
}

/**
 * What is not known is undefined, and JSON leaves it out. Records are written out as plain literals, field by field,
 * because that is fifty times cheaper than putting them together from smaller objects.
 */
type Draft = { readonly [K in keyof OutcomeRecord]: OutcomeRecord[K] | undefined }

const recordFrom = (draft: Draft): OutcomeRecord => draft as OutcomeRecord

const uint32 = 0xffffffff
const replyLimit = 4096

/** Records of one settlement, in the order in which things happened. */
export const recordsOf = (settlement: Settlement, scene: Scene): OutcomeRecord[] => [
  ...settlement.tries.map((evidence) => attemptRecord(settlement, { kind: 'tried', address: '', evidence }, scene)),
  ...settlement.recipients.map((result) => attemptRecord(settlement, result, scene)),
]

interface Result {
  readonly kind: OutcomeRecord['kind']
  /** Empty where it concerns all recipients. */
  readonly address: string
  readonly evidence: Evidence
}

const attemptRecord = (
  { attempt, at }: Settlement,
  { kind, address, evidence }: Result,
  { verdictOf, discretion, host, worker }: Scene,
): OutcomeRecord => {
  const { hmail, route } = attempt
  const { todo } = hmail
  const tag = tagOf(todo.notes)
  const verdict = kind === 'delivered' ? delivered : verdictOf(attempt, evidence, kind === 'bounced')
  return recordFrom({
    id: uuid7(at),
    at,
    kind,
    message_id: (tag?.message_id ?? todo.uuid).slice(0, 64),
    queue_id: todo.uuid.slice(0, 128),
    header_message_id: tag && (tag.header_message_id.slice(0, 998) || undefined),
    attempt_id: attempt.id,
    attempt: count(attempt.number),
    tenant: tag && known(tag.tenant),
    stream: tag && word(tag.stream),
    campaign: tag && known(tag.campaign),
    pool: route?.pool,
    source: route?.source,
    source_ip: known(evidence.local_ip),
    propensity: route && Math.min(1, Math.max(0, route.propensity)),
    routing_version: route?.routing_version,
    recipient: address === '' ? undefined : sayRecipient(address, discretion),
    recipient_domain: word(domainOf(address) || lower(todo.domain)),
    sender_domain: word(lower(todo.mail_from.host)),
    provider: route && word(route.provider),
    site: route && word(route.site),
    mx_host: word(lower(evidence.mx_host)),
    remote_ip: word(evidence.remote_ip),
    code: evidence.code >= 0 && evidence.code <= 599 ? Math.floor(evidence.code) : 0,
    enhanced: known(evidence.enhanced),
    reply: hushReply(evidence.lines.join('\n'), address, discretion).slice(0, replyLimit),
    phase: evidence.phase,
    class: verdict.class,
    class_rule: word(verdict.rule),
    blame: verdict.blame,
    queued_ms: count(at - todo.queue_time),
    connect_ms: count(evidence.connect_ms),
    total_ms: count(evidence.total_ms),
    connection_use: count(evidence.connection_use),
    tls: known(evidence.tls),
    size: count(tag?.size ?? hmail.file_size),
    host,
    worker,
  })
}

export interface Acceptance {
  readonly tag: Tag
  /** Transaction id of Haraka. */
  readonly queueId: string
  readonly senderDomain: string
  readonly recipients: readonly string[]
  /** ms since 1970 */
  readonly at: number
}

/** One record per recipient of a message that has been queued. */
export const acceptedRecords = (acceptance: Acceptance, { discretion, host, worker }: Scene): OutcomeRecord[] => {
  const { tag, queueId, senderDomain, recipients, at } = acceptance
  return recipients.map((address) =>
    recordFrom({
      id: uuid7(at),
      at,
      kind: 'accepted',
      message_id: tag.message_id.slice(0, 64),
      queue_id: queueId.slice(0, 128),
      header_message_id: tag.header_message_id.slice(0, 998) || undefined,
      tenant: known(tag.tenant),
      stream: word(tag.stream),
      campaign: known(tag.campaign),
      recipient: sayRecipient(address, discretion),
      recipient_domain: word(domainOf(address)),
      sender_domain: word(lower(senderDomain)),
      size: count(tag.size),
      host,
      worker,
    }),
  )
}

/** One record per recipient who does not get a message because of the suppression list. */
export const suppressedRecords = (
  { at, tag, queue_id, sender_domain, phase, recipients }: Suppressed,
  { discretion, host, worker }: Scene,
): OutcomeRecord[] =>
  recipients.map(({ address, reason, says }) =>
    recordFrom({
      id: uuid7(at),
      at,
      kind: 'suppressed',
      message_id: tag.message_id.slice(0, 64),
      queue_id: queue_id.slice(0, 128),
      header_message_id: tag.header_message_id.slice(0, 998) || undefined,
      tenant: known(tag.tenant),
      stream: word(tag.stream),
      campaign: known(tag.campaign),
      recipient: sayRecipient(address, discretion),
      recipient_domain: word(domainOf(address)),
      sender_domain: word(lower(sender_domain)),
      phase,
      reply: hushReply(says, address, discretion).slice(0, replyLimit),
      class_rule: word(`suppression/${reason}`),
      size: count(tag.size),
      host,
      worker,
    }),
  )

/** One record per recipient of a mail that an operator has ended. */
export const droppedRecords = (
  { hmail, at, bounce, reason }: Dropped,
  { discretion, host, worker }: Scene,
): OutcomeRecord[] => {
  const { todo } = hmail
  const tag = tagOf(todo.notes)
  return todo.rcpt_to.map(({ address }) =>
    recordFrom({
      id: uuid7(at),
      at,
      kind: 'dropped',
      message_id: (tag?.message_id ?? todo.uuid).slice(0, 64),
      queue_id: todo.uuid.slice(0, 128),
      header_message_id: tag && (tag.header_message_id.slice(0, 998) || undefined),
      attempt: count(hmail.num_failures),
      tenant: tag && known(tag.tenant),
      stream: tag && word(tag.stream),
      campaign: tag && known(tag.campaign),
      recipient: sayRecipient(address, discretion),
      recipient_domain: word(domainOf(address) || lower(todo.domain)),
      sender_domain: word(lower(todo.mail_from.host)),
      phase: 'queue',
      reply: hushReply(reason, address, discretion).slice(0, replyLimit),
      class_rule: bounce ? 'operator/bounce' : 'operator/drop',
      queued_ms: count(at - todo.queue_time),
      size: count(tag?.size ?? hmail.file_size),
      host,
      worker,
    }),
  )
}

const delivered: Pick<Verdict, 'class' | 'rule' | 'blame'> = { class: 'delivered', rule: 'code/2xx', blame: 'none' }

const word = (text: string): string => (text.length > 255 ? text.slice(0, 255) : text)
const known = (text: string): string | undefined => (text === '' ? undefined : word(text))
const lower = (text: string): string => text.toLowerCase()
const domainOf = (address: string): string => lower(address.slice(address.lastIndexOf('@') + 1))
const count = (value: number): number => (value > 0 ? Math.min(uint32, Math.round(value)) : 0)
