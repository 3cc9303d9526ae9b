// The limits that hold in a lane, merged value by value from what is built in, the shipped file and the operator's
// file, from the general to the particular:
//
//   built in < defaults < source < provider < site < lane (provider x source)
//
// At each level the operator's file is laid over the shipped one. Every value remembers where it comes from, so that
// `sluice check` can say it with file and line.

import type { ConfigDocument } from '../config/document'
import type { ShapingConfig } from '../config/shaping'
import { sayDuration } from './duration'
import type { QuietSpan } from './quiet'
import { day, hour, minute, second, sayRate, type Rate } from './rate'
import { defaultReaction, type Reaction } from './reaction'
import type { BounceClass } from '../bounce/verdict'
import type { Limits } from './vocabulary'

export interface Timeouts {
  /** All in milliseconds. */
  readonly connect: number
  readonly banner: number
  readonly mail: number
  readonly rcpt: number
  readonly data: number
  readonly block: number
  readonly dot: number
}

export interface RetryLimits {
  /** ms to wait after the first, second, … failure; the last one repeats. */
  readonly schedule: readonly number[]
  readonly by_class: Readonly<Partial<Record<BounceClass, readonly number[]>>>
  readonly min_wait: number
  readonly max_wait: number
  readonly jitter: number
  readonly max_age: number
}

export interface TotalLimits {
  /** undefined = no cap of its own */
  readonly connection_limit: number | undefined
  readonly connection_rate: readonly Rate[]
  readonly message_rate: readonly Rate[]
}

/** Every value decided. */
export interface CompleteLimits {
  readonly connection_limit: number
  /** Empty = unlimited. */
  readonly connection_rate: readonly Rate[]
  readonly message_rate: readonly Rate[]
  readonly messages_per_connection: number
  readonly recipients_per_message: number
  readonly idle_s: number
  readonly port: number
  readonly tls: 'none' | 'opportunistic' | 'required'
  readonly total: TotalLimits
  readonly quiet_hours: readonly QuietSpan[]
  readonly timeouts: Timeouts
  readonly retry: RetryLimits
  readonly reaction: Reaction
}

/** What holds where nobody says anything. Time-outs are those of RFC 5321 4.5.3.2, the age is that of 4.5.4.1. */
export const builtIn: CompleteLimits = {
  connection_limit: 10,
  connection_rate: [],
  message_rate: [],
  messages_per_connection: 100,
  recipients_per_message: 100,
  idle_s: 10,
  port: 25,
  tls: 'opportunistic',
  total: { connection_limit: undefined, connection_rate: [], message_rate: [] },
  quiet_hours: [],
  timeouts: {
    connect: 30 * second,
    banner: 5 * minute,
    mail: 5 * minute,
    rcpt: 5 * minute,
    data: 2 * minute,
    block: 3 * minute,
    dot: 10 * minute,
  },
  retry: {
    schedule: [5 * minute, 10 * minute, 20 * minute, 40 * minute, hour, 2 * hour, 4 * hour],
    by_class: {
      greylisted: [5 * minute, 5 * minute, 10 * minute, 20 * minute, 40 * minute, hour],
      mailbox_full: [hour, 2 * hour, 4 * hour, 8 * hour],
    },
    min_wait: 30 * second,
    max_wait: 6 * hour,
    jitter: 0.2,
    max_age: 5 * day,
  },
  reaction: defaultReaction,
}

export const levels = ['built in', 'defaults', 'source', 'provider', 'site', 'lane'] as const
export type Level = (typeof levels)[number]

export interface Origin {
  readonly level: Level
  /** Absent for what is built in. */
  readonly file?: string
  /** From 1. */
  readonly line?: number
}

export interface MergedLimits {
  readonly limits: CompleteLimits
  /** By dotted name, such as `connection_limit` or `timeouts.connect`. */
  readonly origins: ReadonlyMap<string, Origin>
}

/** What a lane is, as far as limits go. */
export interface LaneName {
  readonly source?: string
  /** Absent for a relay: its lane is the relay itself, whoever receives in the end. */
  readonly provider?: string
  readonly site?: string
}

/** The groups whose members are merged one by one; everything else is replaced as a whole. */
const groups: ReadonlySet<string> = new Set(['total', 'timeouts', 'retry', 'reaction'])

/** Keys of a provider that are not limits. */
const facts: ReadonlySet<string> = new Set(['label', 'mx', 'domains', 'source', 'sources'])

interface Place {
  readonly level: Level
  readonly path: readonly string[]
  readonly values: Limits | undefined
}

/** A configuration that may still know its lines. */
export type LimitSource = Pick<ConfigDocument<ShapingConfig>, 'value'> & Partial<ConfigDocument<ShapingConfig>>

/** The limits of a lane from one configuration, for those who need no origins. */
export const limitsOf = (config: ShapingConfig, lane: LaneName): CompleteLimits =>
  mergeLimits([{ value: config }], lane).limits

/** `documents` in the order in which they are laid over each other: the shipped file first, the operator's last. */
export const mergeLimits = (documents: readonly LimitSource[], lane: LaneName): MergedLimits => {
  const merged: Record<string, unknown> = { ...builtIn }
  const origins = new Map<string, Origin>()
  const put = (into: Record<string, unknown>, key: string, value: unknown, name: string, origin: Origin): void => {
    into[key] = value
    origins.set(name, origin)
  }
  for (const name of names(builtIn)) origins.set(name, { level: 'built in' })

  for (const level of levels) {
    for (const document of documents) {
      for (const { path, values } of places(document.value, lane).filter((place) => place.level === level)) {
        for (const [key, value] of Object.entries(values ?? {})) {
          if (value === undefined || facts.has(key)) continue
          const originOf = (...inner: string[]): Origin => {
            const at = document.complain?.([...path, key, ...inner], '')
            return at ? { level, file: at.file, line: at.line } : { level }
          }
          if (!groups.has(key)) {
            put(merged, key, value, key, originOf())
            continue
          }
          const group = { ...(merged[key] as Record<string, unknown>) }
          for (const [inner, one] of Object.entries(value as Record<string, unknown>)) {
            if (one !== undefined) put(group, inner, one, `${key}.${inner}`, originOf(inner))
          }
          merged[key] = group
        }
      }
    }
  }
  return { limits: merged as unknown as CompleteLimits, origins }
}

const places = (config: ShapingConfig, { source, provider, site }: LaneName): Place[] => {
  const own = at(config.providers, provider)
  const found: Place[] = [{ level: 'defaults', path: ['defaults'], values: config.defaults }]
  if (source !== undefined)
    found.push({ level: 'source', path: ['sources', source], values: at(config.sources, source) })
  if (provider !== undefined) found.push({ level: 'provider', path: ['providers', provider], values: own })
  if (site !== undefined) found.push({ level: 'site', path: ['sites', site], values: at(config.sites, site) })
  if (provider !== undefined && source !== undefined) {
    found.push({ level: 'lane', path: ['providers', provider, 'sources', source], values: at(own?.sources, source) })
  }
  return found
}

/** Names come from DNS: `constructor` is not an entry. */
const at = <T>(record: Readonly<Record<string, T>> | undefined, key: string | undefined): T | undefined =>
  record !== undefined && key !== undefined && Object.hasOwn(record, key) ? record[key] : undefined

const names = (limits: CompleteLimits): string[] =>
  Object.entries(limits).flatMap(([key, value]) =>
    groups.has(key) ? Object.keys(value as object).map((inner) => `${key}.${inner}`) : [key],
  )

const sayOrigin = ({ level, file, line }: Origin): string =>
  file === undefined ? level : `${level}, ${file}:${line ?? 1}`

export interface LimitLine {
  readonly name: string
  readonly value: string
  readonly origin: string
}

/** What `sluice check` prints: every value with where it comes from. */
export const explainLimits = ({ limits, origins }: MergedLimits): LimitLine[] =>
  [...origins].map(([name, origin]) => ({
    name,
    value: say(valueOf(limits, name), durations.test(name) ? sayDuration : String),
    origin: sayOrigin(origin),
  }))

/** What is kept in milliseconds. */
const durations =
  /^(timeouts\..+|retry\.(schedule|by_class|m.+)|reaction\.(close_(for|max)|breath|probe_(after|max)|breaker_(wait|max)))$/

const valueOf = (limits: CompleteLimits, name: string): unknown => {
  const [key = '', inner] = name.split('.')
  const value = (limits as unknown as Record<string, unknown>)[key]
  return inner === undefined ? value : (value as Record<string, unknown>)[inner]
}

const isRate = (value: unknown): value is Rate => typeof value === 'object' && value !== null && 'window_ms' in value

const say = (value: unknown, sayNumber: (value: number) => string): string => {
  if (value === undefined) return 'none'
  if (typeof value === 'number') return sayNumber(value)
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((one) => say(one, sayNumber)).join(', ')
  if (isRate(value)) return sayRate(value)
  if (!isListed(value)) return JSON.stringify(value)
  return Object.entries(value)
    .map(([key, one]) => `${key}: ${say(one, sayNumber)}`)
    .join('; ')
}

/** Lists by name, as retries by class are. */
const isListed = (value: unknown): value is Readonly<Record<string, unknown[]>> =>
  typeof value === 'object' && value !== null && Object.values(value).every(Array.isArray)
