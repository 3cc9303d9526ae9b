// The words in which limits are written, for every level at which they can be written (defaults, source, provider,
// site, one lane). All are optional: a level says only what it changes.

import { z } from 'zod'

import { bounceClasses } from '../bounce/verdict'
import { duration } from './duration'
import { quietHours } from './quiet'
import { day, hour, rates, second } from './rate'
import { reaction } from './reaction'

const connections = z.int().min(1).max(10_000)
const stage = duration(second, hour)
const schedule = z
  .array(duration(second, 7 * day))
  .min(1)
  .max(64)

/** Caps over all lanes of a provider together (or, for a relay, over everything that goes through it). */
const totals = z.strictObject({
  connection_limit: connections.optional(),
  connection_rate: rates.optional(),
  message_rate: rates.optional(),
})

/** How long each stage of the SMTP dialogue may take. */
const timeouts = z.strictObject({
  connect: stage.optional(),
  /** The greeting, and answers to EHLO and STARTTLS. */
  banner: stage.optional(),
  mail: stage.optional(),
  rcpt: stage.optional(),
  data: stage.optional(),
  /** One block of the message. */
  block: stage.optional(),
  /** The answer to the final dot. */
  dot: stage.optional(),
})

const retry = z.strictObject({
  /** Waits after the first, second, … failure; the last one repeats. */
  schedule: schedule.optional(),
  /** Other schedules for some classes. */
  by_class: z.partialRecord(z.enum(bounceClasses), schedule).optional(),
  /** Bounds of "try again in N". */
  min_wait: duration(second, day).optional(),
  max_wait: duration(second, 7 * day).optional(),
  /** Spread of the waits: 0.2 = up to a fifth longer. */
  jitter: z.number().min(0).max(1).optional(),
  /** Age at which mail expires; a stream may say less. */
  max_age: duration(10 * second, 30 * day).optional(),
})

export const limits = z.strictObject({
  /** Connections at a time in one lane (source x provider), over all workers. */
  connection_limit: connections.optional(),
  /** New connections of one lane, such as 100/min or [5/s, 100/min]. */
  connection_rate: rates.optional(),
  /** Messages of one lane, such as 50/s or [50/s, 1000/min, 20000/day]. */
  message_rate: rates.optional(),
  /** Messages after which a connection is closed. */
  messages_per_connection: z.int().min(1).max(100_000).optional(),
  /** RFC 5321 4.5.3.1.8 demands that receivers take 100. */
  recipients_per_message: z.int().min(1).max(1000).optional(),
  /** Seconds an idle connection is kept open for the next message; 0 = closed at once. */
  idle_s: z.number().min(0).max(3600).optional(),
  /** TCP port of the MX hosts; other than 25 only for tests and gateways. */
  port: z.int().min(1).max(65535).optional(),
  /** none: plain text; opportunistic: STARTTLS if offered; required: STARTTLS or no delivery. */
  tls: z.enum(['none', 'opportunistic', 'required']).optional(),
  total: totals.optional(),
  quiet_hours: quietHours.max(32).optional(),
  timeouts: timeouts.optional(),
  retry: retry.optional(),
  reaction: reaction.optional(),
})
export type Limits = z.output<typeof limits>
