// Admission to a lane in one step: a lease for a connection, a token of every rate, one message of the day's warm-up
// allowance; all of it or nothing. This is the rule that the admission script keeps in Redis for all workers, and by
// which a worker goes alone, with its share of the limits, while Redis is away.
//
// Leases are known by id: asking again for one that is held renews it and counts nothing twice; releasing one that is
// not held changes nothing; one that is not renewed expires.

import type { CompleteLimits } from '../shaping/limits'
import { paceOf, takeToken, transitOf, type Pace } from '../shaping/pace'
import { minute, type Rate } from '../shaping/rate'
import type { LaneView } from './lane'

/** A pace with the name under which its due time is kept. */
export interface NamedPace extends Pace {
  readonly name: string
  /** message: taken for each message; connection: for each new connection. */
  readonly unit: 'message' | 'connection'
  /** Receivers count at MAIL: a message that gets there later than this after its admission, ms, takes a new token. */
  readonly fresh_ms: number
}

export interface AdmissionRules {
  /** Connections allowed; 0 = closed. */
  readonly lane_cap: number
  /** Connections of all lanes of the provider; undefined = no cap. */
  readonly total_cap: number | undefined
  readonly paces: readonly NamedPace[]
  /** Messages of this day: the counter may not pass `limit`. */
  readonly warmup?: { readonly day: number; readonly limit: number } | undefined
}

/**
 * The rules of a lane now. `workers` divides them: 1 where Redis keeps count for all, the number of workers last seen
 * where each goes alone.
 */
export const rulesOf = (
  limits: CompleteLimits,
  view: LaneView,
  workers = 1,
  warmup?: { readonly day: number; readonly limit: number; readonly pace: Pace },
): AdmissionRules => {
  const { total } = limits
  const share = (cap: number): number => (cap === 0 ? 0 : Math.max(1, Math.floor(cap / workers)))
  const named = (where: string, unit: NamedPace['unit'], rates: readonly Rate[]): NamedPace[] =>
    rates.map((rate, index) => {
      const transit = transitOf(rate.window_ms)
      // A connection held open for a token of an hour would be worse than a message that an hour's count sees late.
      const fresh_ms = rate.window_ms <= minute ? transit : Infinity
      const name = `${where}:${unit}:${index}:${rate.window_ms}`
      return { ...paceOf(shareOf(rate, workers), transit), name, unit, fresh_ms }
    })
  return {
    lane_cap: share(view.connections),
    total_cap: total.connection_limit === undefined ? undefined : share(total.connection_limit),
    paces: [
      ...named('lane', 'message', view.message_rate),
      ...named('lane', 'connection', limits.connection_rate),
      ...named('total', 'message', total.message_rate),
      ...named('total', 'connection', total.connection_rate),
      ...(warmup ? [{ ...warmup.pace, ...warmupPace, interval: warmup.pace.interval * workers }] : []),
    ],
    warmup: warmup && { day: warmup.day, limit: Math.floor(warmup.limit / workers) },
  }
}

const warmupPace = { name: 'lane:message:warmup', unit: 'message', fresh_ms: Infinity } as const

/** Rounded down; where there is less than one for each, one in a window that is so much longer. */
const shareOf = ({ limit, window_ms }: Rate, workers: number): Rate =>
  limit >= workers
    ? { limit: Math.floor(limit / workers), window_ms }
    : { limit: 1, window_ms: (window_ms * workers) / limit }

export interface AdmissionState {
  /** Lease id -> expiry, ms since 1970. */
  readonly lane: Readonly<Record<string, number>>
  readonly total: Readonly<Record<string, number>>
  /** Due time of each pace by its name. */
  readonly dues: Readonly<Record<string, number>>
  readonly warmup: { readonly day: number; readonly used: number }
}

export const emptyAdmission: AdmissionState = { lane: {}, total: {}, dues: {}, warmup: { day: 0, used: 0 } }

export interface AdmissionOrder {
  /** ms since 1970 */
  readonly now: number
  /** Time to live of a lease, ms. */
  readonly ttl: number
  /** Leases wanted, in order: one new connection and its first message each. */
  readonly ids: readonly string[]
  /** Messages wanted on connections that are held already. */
  readonly messages: number
}

export interface AdmissionAnswer {
  readonly state: AdmissionState
  /** How many of the ids, from the first, are held now. */
  readonly granted: number
  /** How many of the messages may go. */
  readonly messages: number
  /** ms after which asking again may help; 0 where all was granted. Infinity: only a release can help. */
  readonly wait_ms: number
  /** Connections of the lane. */
  readonly open: number
}

type Refusal = { readonly wait_ms: number } | undefined

export const admit = (state: AdmissionState, rules: AdmissionRules, order: AdmissionOrder): AdmissionAnswer => {
  const { now, ttl } = order
  const lane = unexpired(state.lane, now)
  const total = unexpired(state.total, now)
  const dues = { ...state.dues }
  const { warmup } = rules
  let used = warmup && state.warmup.day === warmup.day ? state.warmup.used : 0

  /** Takes a token of every pace that applies, and one message of the allowance; or none of them. */
  const take = (connection: boolean): Refusal => {
    if (warmup && used >= warmup.limit) return { wait_ms: Infinity }
    const paces = rules.paces.filter(({ unit }) => unit === 'message' || connection)
    const tokens = paces.map((pace) => takeToken(dues[pace.name] ?? 0, pace, now))
    const waits = tokens.flatMap((token) => (token.taken ? [] : [token.wait_ms]))
    if (waits.length > 0) return { wait_ms: Math.ceil(Math.max(...waits)) }
    paces.forEach(({ name }, index) => {
      const token = tokens[index]
      if (token?.taken) dues[name] = token.due
    })
    used++
    return undefined
  }

  const lease = (id: string): Refusal => {
    if (lane[id] === undefined) {
      if (count(lane) >= rules.lane_cap) return { wait_ms: untilExpiry(lane, now) }
      if (rules.total_cap !== undefined && count(total) >= rules.total_cap) return { wait_ms: untilExpiry(total, now) }
      const refusal = take(true)
      if (refusal) return refusal
    }
    lane[id] = now + ttl
    total[id] = now + ttl
    return undefined
  }

  const messages = takeUntilRefused(order.messages, () => (rules.lane_cap === 0 ? { wait_ms: Infinity } : take(false)))
  const leases = takeUntilRefused(order.ids.length, (index) => lease(order.ids[index] ?? ''))
  const waits = [messages, leases].flatMap(({ refusal }) => (refusal ? [refusal.wait_ms] : []))
  return {
    state: { lane, total, dues, warmup: warmup ? { day: warmup.day, used } : state.warmup },
    granted: leases.taken,
    messages: messages.taken,
    wait_ms: waits.length > 0 ? Math.min(...waits) : 0,
    open: count(lane),
  }
}

const takeUntilRefused = (most: number, take: (index: number) => Refusal): { taken: number; refusal: Refusal } => {
  for (let taken = 0; taken < most; taken++) {
    const refusal = take(taken)
    if (refusal) return { taken, refusal }
  }
  return { taken: most, refusal: undefined }
}

/**
 * Gives a lease back; what is not held changes nothing.
 * @param unsent day of whose allowance a message was taken that never reached MAIL: it is given back too
 */
export const release = (state: AdmissionState, id: string, unsent?: number): AdmissionState => {
  if (state.lane[id] === undefined) return state
  const { day, used } = state.warmup
  const warmup = day === unsent ? { day, used: Math.max(0, used - 1) } : state.warmup
  return { ...state, lane: without(state.lane, id), total: without(state.total, id), warmup }
}

/** Leases that stand for open connections; they count even where they had been forgotten. */
export const renew = (state: AdmissionState, ids: readonly string[], now: number, ttl: number): AdmissionState => {
  const held = Object.fromEntries(ids.map((id) => [id, now + ttl]))
  return { ...state, lane: { ...state.lane, ...held }, total: { ...state.total, ...held } }
}

const unexpired = (leases: Readonly<Record<string, number>>, now: number): Record<string, number> =>
  Object.fromEntries(Object.entries(leases).filter(([, expiry]) => expiry > now))

const without = (leases: Readonly<Record<string, number>>, id: string): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(leases).filter(([one]) => one !== id))

const count = (leases: Readonly<Record<string, number>>): number => Object.keys(leases).length

const untilExpiry = (leases: Readonly<Record<string, number>>, now: number): number =>
  Math.min(Infinity, ...Object.values(leases)) - now
