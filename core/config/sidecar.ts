// sidecar.yaml: where the sidecar listens and keeps its things, which ClickHouse it uses, how it scores, and what a
// query over HTTP may cost. Every key may be left out.

import { z } from 'zod'

import { readDocument } from './document'
import { secretSchema } from './egress'

const seconds = (least: number, most: number) => z.number().min(least).max(most)
const part = z.number().min(0).max(1)
const megabyte = 1024 * 1024

const http = z.strictObject({
  /** Address to listen on; anything but loopback needs a proxy with TLS in front. */
  host: z.union([z.ipv4(), z.ipv6(), z.literal('localhost')], { error: 'not an IP address' }).default('127.0.0.1'),
  /** 0 = a free port, named in the ready line. */
  port: z.int().min(0).max(65535).default(7025),
  /** File of bearer tokens; made at first start with one token of scope admin. Relative to `data`. */
  tokens: z.string().min(1).default('tokens.yaml'),
  max_body_kb: z.int().min(1).max(10_240).default(256),
})

const clickhouse = z.strictObject({
  /** http:// or https:// URL of a server; absent = the embedded engine. The environment's CLICKHOUSE_URL wins. */
  url: z
    .string()
    .regex(/^https?:\/\//, 'an http:// or https:// URL')
    .optional(),
  username: z.string().min(1).max(255).default('default'),
  password: secretSchema.optional(),
  database: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'letters, digits and _')
    .refine((name) => name !== 'default' && name !== 'system', 'a database of its own')
    .default('sluice'),
  /** Cluster of the server: tables are made replicated on it. */
  cluster: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'a cluster name')
    .optional(),
  /** How long rows are kept, in days; a change is applied at the next start. */
  keep_days: z
    .strictObject({
      outcomes: z.int().min(1).max(36_500).default(90),
      hourly: z.int().min(1).max(36_500).default(730),
      segments: z.int().min(7).max(36_500).default(180),
    })
    .prefault({}),
})

const listing = z.strictObject({
  /** Probability that the next message meets a listing that began just now; smaller = one more refusal needed. */
  onset: z.number().min(1e-9).max(0.1).default(1e-5),
  /** Part of the messages a listed source has turned away. */
  refused_listed: z.number().min(0.5).max(0.999).default(0.9),
  /** Part of the messages a source in good standing has turned away, at least. */
  refused_clear: z.number().min(0.0001).max(0.4).default(0.01),
  /** A suspicion halves in this time when nothing is heard. */
  forgive_s: seconds(1, 86_400).default(600),
})

const score = z.strictObject({
  interval_s: seconds(0.2, 3600).default(10),
  /** An outcome counts half after this time. */
  half_life_s: seconds(5, 30 * 86_400).default(1800),
  throttle_weight: part.default(0.5),
  confidence: z.number().min(0).max(5).default(1),
  prior: z
    .strictObject({ min: z.number().min(0.1).max(1000).default(1), max: z.number().min(0.1).max(1000).default(10) })
    .refine(({ min, max }) => min <= max, { error: '`min` is greater than `max`' })
    .prefault({}),
  sharpness: z.number().min(0.1).max(10).default(3),
  listing: listing.prefault({}),
  double_s: seconds(0.1, 86_400).default(120),
  halve_s: seconds(0.1, 86_400).default(5),
  hysteresis: z.number().min(0).max(1).default(0.1),
  explore: part.max(0.5).default(0.05),
})

const megabytes = (usual: number) =>
  z
    .number()
    .min(1)
    .max(1_048_576)
    .default(usual)
    .transform((mb) => mb * megabyte)

const sql = z.strictObject({
  max_seconds: seconds(0.1, 3600).default(30),
  max_rows: z.int().min(1).max(10_000_000).default(100_000),
  max_result_mb: megabytes(16),
  /** Rows read from tables. */
  max_read_rows: z.int().min(1).max(1e12).default(1e9),
  max_memory_mb: megabytes(1024),
  /** Queries at a time; more are answered 429. */
  concurrency: z.int().min(1).max(64).default(2),
  /** Queries per minute and token. */
  per_minute: z.int().min(1).max(100_000).default(120),
})

const sidecarSchema = z.strictObject({
  /** Folder of the engine's data, the journals and the token file; relative to the Haraka directory. */
  data: z.string().min(1).default('sidecar'),
  log_level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  http: http.prefault({}),
  clickhouse: clickhouse.prefault({}),
  score: score.prefault({}),
  sql: sql.prefault({}),
})

export type SidecarConfig = z.output<typeof sidecarSchema>

/** @throws ConfigError naming file, line and key */
export const readSidecar = (file: string, text: string): SidecarConfig => readDocument(file, text, sidecarSchema).value
