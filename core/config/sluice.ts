// sluice.yaml: what plugins and sidecar share: where Redis is, where the spool is, what may be written about recipients.

import { z } from 'zod'

import { defaultPrefix } from '../redis/keys'
import { readDocument } from './document'

const megabyte = 1024 * 1024

/**
 * The repairs that plugins/host makes in Haraka, by the name they are switched with; all are on by default. They are
 * made in this order: `slots` wraps what `queue_writer` replaces, `retry` knows what `retry_delay` wraps.
 */
export const hostGuards = [
  'client',
  'dns',
  'hooks',
  'queue_writer',
  'slots',
  'retry',
  'retry_delay',
  'temporary_files',
  'queue_loader',
  'handover',
  'flush',
  'host_name',
  'termination',
] as const
export type HostGuard = (typeof hostGuards)[number]

const sluiceSchema = z.strictObject({
  redis: z
    .strictObject({
      /** redis:// or rediss:// URL; the environment's REDIS_URL wins. */
      url: z
        .string()
        .regex(/^rediss?:\/\//, 'a redis:// or rediss:// URL')
        .default('redis://127.0.0.1:6379'),
      prefix: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,32}$/)
        .default(defaultPrefix),
    })
    .prefault({}),
  spool: z
    .strictObject({
      /** Folder of the outcome spool; relative to the Haraka directory. */
      folder: z.string().min(1).default('spool'),
      /** At this size the least valuable kinds are dropped, counted and said. Megabytes. */
      max_mb: z
        .number()
        .min(1)
        .max(10_000_000)
        .default(10_240)
        .transform((mb) => mb * megabyte),
      /** Free disk below which the same happens. Megabytes. */
      min_free_mb: z
        .number()
        .min(0)
        .max(10_000_000)
        .default(512)
        .transform((mb) => mb * megabyte),
    })
    .prefault({}),
  /** What outcome records say of the recipient: the address, a keyed hash of it, or nothing. */
  recipient: z.enum(['plain', 'hash', 'omit']).default('plain'),
  /** Key of the hash; needed for `recipient: hash`. */
  recipient_key: z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })]).optional(),
  /** Resolvers asked for MX hosts, as ip or ip:port; absent = the system's. */
  resolvers: z.array(z.string().min(2).max(64)).max(8).default([]),
  host: z
    .strictObject({
      /** Repairs of Haraka's outbound code (docs/haraka); each can be switched off by itself. */
      guards: z.partialRecord(z.enum(hostGuards), z.boolean()).default({}),
      /** A hook of Sluice that has not answered in so long has failed. Seconds. */
      hook_timeout_s: z.number().min(1).max(86_400).default(300),
    })
    .prefault({}),
})

export type SluiceConfig = z.output<typeof sluiceSchema>

/** @throws ConfigError naming file, line and key */
export const readSluice = (file: string, text: string): SluiceConfig => readDocument(file, text, sluiceSchema).value
