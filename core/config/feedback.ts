// feedback.yaml: the addresses that take bounces, complaints and reports; the keys that sign return paths, header
// tokens and unsubscribe links; what streams carry them. Without the file, or while everything in it is a comment,
// nothing is signed and no report is taken.

import { z } from 'zod'

import { bounceClasses } from '../bounce/verdict'
import { ConfigError, readDocument, type Complaint } from './document'

const day = 86_400_000
const megabyte = 1024 * 1024

const domain = z
  .string()
  .max(200)
  .toLowerCase()
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/, 'not a domain')
const address = z
  .string()
  .max(254)
  .toLowerCase()
  .regex(/^[^\s@<>"]{1,64}@[a-z0-9.-]+$/, 'not an address')
const days = (most: number, standard: number) =>
  z
    .number()
    .min(1)
    .max(most)
    .default(standard)
    .transform((count) => count * day)

const key = z.strictObject({
  /** Stands in every token; never use a number again for another secret. */
  id: z.int().min(0).max(255),
  /** At least 16 bytes, from the environment or a file. */
  secret: z.union([z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })]),
})

const scope = z.enum(['global', 'tenant', 'stream'])
const softRule = z.strictObject({
  /** Failures needed. */
  count: z.int().min(1).max(100),
  /** Days that must lie between the first and the last of them. */
  days: z.number().min(0).max(365),
  /** Days the suppression lasts. */
  hold_days: z.number().min(1).max(3650),
})

const feedbackSchema = z.strictObject({
  /** The first signs, all verify: put a new key in front, drop the old one once its tokens have lapsed. */
  keys: z.array(key).min(1).max(16),
  return_path: z
    .strictObject({
      /** Domain of the signed return paths; its MX must lead to this Haraka. */
      domain,
      /** Streams whose mail gets a signed return path; absent = all. */
      streams: z.array(z.string()).optional(),
      /** How long after a message a report may come back to its return path. */
      max_age_days: days(365, 30),
    })
    .optional(),
  /** Addresses that take reports whoever they are addressed for, beside the signed return paths. */
  addresses: z
    .strictObject({
      bounce: z.array(address).max(100).default([]),
      complaint: z.array(address).max(100).default([]),
      report: z.array(address).max(100).default([]),
    })
    .prefault({}),
  headers: z
    .strictObject({
      /** How long after a message a report with its header may come. */
      max_age_days: days(3650, 180),
      /** Sender id in `Feedback-ID` (campaign:tenant:stream:sender id); absent = no such header. */
      feedback_id: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,64}$/)
        .optional(),
      /** Address in `CFBL-Address` (RFC 9477); absent = no such header. */
      cfbl_address: address.optional(),
    })
    .prefault({}),
  unsubscribe: z
    .strictObject({
      /** https URL of the sidecar's endpoint as recipients reach it; the token is appended. */
      url: z.url({ protocol: /^https$/, error: 'an https URL (RFC 8058)' }),
      /** Streams whose mail carries one-click unsubscribe (RFC 8058). */
      streams: z.array(z.string()).min(1),
      max_age_days: days(3650, 365),
    })
    .optional(),
  /** What a suppressed recipient meets: 550 at RCPT, or the message is accepted and dropped for it. */
  suppressed: z.enum(['reject', 'drop']).default('reject'),
  suppression: z
    .strictObject({
      /** Where each reason suppresses: everywhere, for the tenant, or for the stream (of the tenant, if there is one). */
      scope: z
        .strictObject({
          hard_bounce: scope.default('global'),
          soft_bounces: scope.default('global'),
          complaint: scope.default('stream'),
          unsubscribe: scope.default('stream'),
        })
        .prefault({}),
      /** After how many failures of a class, spread over how many days, and for how long; over the shipped ones. */
      soft: z.partialRecord(z.enum(bounceClasses), softRule).default({}),
    })
    .prefault({}),
  intake: z
    .strictObject({
      /** Folder of the report spool; relative to the Haraka directory. */
      folder: z.string().min(1).default('reports'),
      /** A Maildir whose new messages are taken as reports too; relative to the Haraka directory. */
      maildir: z.string().min(1).optional(),
      max_size_mb: z
        .number()
        .min(0.01)
        .max(100)
        .default(10)
        .transform((mb) => Math.floor(mb * megabyte)),
      /** Reports taken a minute, from one client address and over all. */
      per_minute_per_client: z.int().min(1).max(100_000).default(600),
      per_minute: z.int().min(1).max(1_000_000).default(6000),
    })
    .prefault({}),
})

export type FeedbackConfig = z.output<typeof feedbackSchema>

const anything = z.record(z.string(), z.unknown())

export type FeedbackScope = z.output<typeof scope>

/**
 * @returns undefined where the file says nothing
 * @throws ConfigError naming file, line and key
 */
export const readFeedback = (file: string, text: string): FeedbackConfig | undefined => {
  if (Object.keys(readDocument(file, text, anything).value).length === 0) return undefined
  const { value, complain } = readDocument(file, text, feedbackSchema)
  const complaints: Complaint[] = []
  const seen = new Set<number>()
  value.keys.forEach(({ id }, index) => {
    if (seen.has(id)) complaints.push(complain(['keys', index, 'id'], `key ${id} is listed twice`))
    seen.add(id)
  })
  if (complaints.length > 0) throw new ConfigError('SLUICE_CONFIG_INVALID', complaints)
  return value
}
