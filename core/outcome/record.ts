// The outcome record (v1): what happened to one recipient in one attempt, or later.
// Declared once, here: types, SQL columns, API shapes and docs derive from `outcomeFields`.
// On the wire it is one JSON line in a spool segment; an absent field means "empty" (NULL is never used).

import { z } from 'zod'

import { blames, bounceClasses } from '../bounce/verdict'

/**
 * What can happen to a recipient. `tried` is an MX host that failed before an attempt went on to the next MX host;
 * `dropped` is mail that an operator has ended while it waited: nobody refused it, so it says nothing of anybody.
 */
export const outcomeKinds = [
  'accepted',
  'tried',
  'delivered',
  'deferred',
  'bounced',
  'expired',
  'dropped',
  'oob_bounced',
  'complained',
  'suppressed',
  'unsubscribed',
  'opened',
  'clicked',
] as const
export type OutcomeKind = (typeof outcomeKinds)[number]

/** Where in the SMTP dialogue an attempt ended (RFC 5321); `queue` before any connection, `report` after delivery. */
export const phases = [
  'queue',
  'dns',
  'connect',
  'banner',
  'ehlo',
  'starttls',
  'tls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'dot',
  'report',
] as const
export type Phase = (typeof phases)[number]

/**
 * How a report was led back to a message, strongest first. The first three carry our signature; a Message-ID and an
 * address can be known to anybody, and what rests on them never suppresses.
 */
export const identifications = ['header_token', 'return_path', 'unsubscribe_link', 'message_id', 'address'] as const
export type Identification = (typeof identifications)[number]

interface Field {
  readonly type: z.ZodType
  /** ClickHouse column type. */
  readonly sql: string
  readonly says: string
}

const field = <T extends z.ZodType>(type: T, sql: string, says: string): Field & { readonly type: T } => ({
  type,
  sql,
  says,
})
const word = (says: string) => field(z.string().max(255), 'LowCardinality(String)', says)
const text = (max: number, says: string) => field(z.string().max(max), 'String', says)
const ms = (says: string) => field(z.int().nonnegative(), 'UInt32', `${says}, in milliseconds`)
const count = (says: string) => field(z.int().nonnegative().max(0xffffffff), 'UInt32', says)

export const outcomeFields = {
  id: field(z.uuid(), 'UUID', 'unique id of this outcome, UUIDv7 (RFC 9562)'),
  at: field(z.int().nonnegative(), "DateTime64(3, 'UTC')", 'when it happened, in milliseconds since 1970'),
  kind: field(z.enum(outcomeKinds), 'LowCardinality(String)', 'what happened'),
  message_id: text(64, 'id of the message as accepted (one for all its recipients)'),
  queue_id: text(128, 'id of the queue file: one destination domain of the message'),
  header_message_id: text(998, 'Message-ID header, without angle brackets'),
  attempt_id: text(64, 'id of the delivery attempt; all recipients and MX tries of one attempt share it'),
  attempt: count('number of the attempt, from 1'),
  tenant: word('who sends'),
  stream: word('kind of mail'),
  campaign: word('which mailing'),
  pool: word('egress pool the source was chosen from'),
  source: word('egress source the mail left by'),
  source_ip: word('local address the connection was bound to'),
  propensity: field(
    z.number().min(0).max(1),
    'Float32',
    'probability with which the source was chosen; 0 = no choice was made',
  ),
  routing_version: field(z.int().nonnegative(), 'UInt64', 'version of the routing table used; 0 = base weights'),
  recipient: text(320, 'recipient address: plain, keyed hash or omitted, as configured'),
  recipient_domain: word('domain of the recipient, lower case'),
  sender_domain: word('domain of the envelope sender, lower case'),
  provider: word('who receives, by MX rollup'),
  site: word('MX rollup of the destination: what its MX hosts have in common'),
  mx_host: word('MX host name tried'),
  remote_ip: word('address of the MX host'),
  code: field(z.int().min(0).max(599), 'UInt16', 'SMTP reply code; 0 = no reply'),
  enhanced: word('enhanced status code (RFC 3463)'),
  reply: text(4096, 'reply text, lines joined by a newline, code and enhanced code included'),
  phase: field(z.enum(phases), 'LowCardinality(String)', 'where in the dialogue'),
  class: field(z.enum(bounceClasses), 'LowCardinality(String)', 'what a refusal means'),
  class_rule: word('id of the rule that decided the class'),
  blame: field(z.enum(blames), 'LowCardinality(String)', 'who is to blame'),
  identified_by: field(
    z.enum(identifications),
    'LowCardinality(String)',
    'how a report was led back to the message; empty = seen in SMTP',
  ),
  queued_ms: ms('time from acceptance to this outcome'),
  connect_ms: ms('time to connect, TCP'),
  total_ms: ms('time of the attempt'),
  connection_use: count('messages this connection had carried before'),
  tls: word('TLS version and cipher; empty = plain text'),
  size: count('message size in bytes'),
  host: word('host name of the Haraka server'),
  worker: word('worker process'),
} as const satisfies Record<string, Field>

export type OutcomeField = keyof typeof outcomeFields

type Values = { [K in OutcomeField]: z.infer<(typeof outcomeFields)[K]['type']> }

/** What every record has; all other fields are present where known. */
export type OutcomeRecord = Pick<Values, 'id' | 'at' | 'kind'> & Partial<Omit<Values, 'id' | 'at' | 'kind'>>

const shape = Object.fromEntries(
  Object.entries(outcomeFields).map(([name, { type }]) => [
    name,
    ['id', 'at', 'kind'].includes(name) ? type : type.optional(),
  ]),
)

/** Checks a record from outside (report intake, tests). Plugins build records by type and do not pay for this. */
export const outcomeSchema = z.strictObject(shape) as unknown as z.ZodType<OutcomeRecord>
