// A receiver with limits it does not publish, and a sender that feeds it through one lane, in simulated time. Seeded:
// a run can be repeated. The receiver counts connections and messages a minute, in sliding or in clock minutes. Several
// workers share leases and tokens, learn apart, and put together what they know every half second.

import { acceptedInMinute, emptyMeter, meterAccepted } from '@sluice/core/lane/meter'
import {
  joinLanes,
  openLane,
  stepLane,
  viewLane,
  type LaneEvent,
  type LaneLimits,
  type LaneState,
} from '@sluice/core/lane/lane'
import { paceOf, takeToken } from '@sluice/core/shaping/pace'

/** A small deterministic generator (mulberry32). */
export const diceOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

export interface HiddenLimits {
  readonly connections: number
  /** Messages per minute. */
  readonly messages: number
}

export interface Simulation {
  readonly seed: number
  readonly limits: LaneLimits
  /** From which ms on which limits hold. */
  readonly hidden: readonly (readonly [from: number, limits: HiddenLimits])[]
  readonly window: 'sliding' | 'clock'
  /** Mean time of a message, ms. */
  readonly latency: number
  readonly messagesPerConnection: number
  readonly lasts: number
  readonly workers?: number
}

export interface Interval {
  accepted: number
  refused: number
  /** Most connections open at the receiver. */
  connections: number
}

export interface Run {
  /** Per simulated second. */
  readonly seconds: readonly Interval[]
  readonly state: LaneState
}

interface Connection {
  readonly worker: number
  /** Messages carried. */
  used: number
  /** Known to the receiver. */
  accepted: boolean
  /** End of the message under way, ms; 0 = idle. */
  busyUntil: number
  started: number
}

const start = 1_800_000_000_000
const step = 20
/** ms until all workers know what one has learnt */
const lag = 500

export const simulate = (simulation: Simulation): Run => {
  const roll = diceOf(simulation.seed)
  const { limits } = simulation
  const workers = simulation.workers ?? 1
  const states: LaneState[] = Array.from({ length: workers }, () => openLane)
  const stateOf = (worker: number): LaneState => states[worker] ?? openLane
  const learn = (worker: number, event: LaneEvent): void => {
    states[worker] = stepLane(stateOf(worker), event, limits)
  }
  let meter = emptyMeter
  let connections: Connection[] = []
  const dues = new Map<number, number>()
  const arrivals: number[] = []
  const seconds: Interval[] = []
  let clockMinute = 0
  let inClockMinute = 0

  const hiddenAt = (now: number): HiddenLimits =>
    simulation.hidden.findLast(([from]) => from <= now - start)?.[1] ?? { connections: 1, messages: 1 }

  /** Whether the receiver takes one more message now. */
  const takes = (now: number): boolean => {
    const { messages } = hiddenAt(now)
    if (simulation.window === 'clock') {
      const minute = Math.floor(now / 60_000)
      if (minute !== clockMinute) [clockMinute, inClockMinute] = [minute, 0]
      if (inClockMinute >= messages) return false
      inClockMinute++
      return true
    }
    while ((arrivals[0] ?? now) <= now - 60_000) arrivals.shift()
    if (arrivals.length >= messages) return false
    arrivals.push(now)
    return true
  }

  const pacing = (worker: number, now: number): boolean => {
    const taken: [number, number][] = []
    for (const rate of viewLane(stateOf(worker), limits, now).message_rate) {
      const token = takeToken(dues.get(rate.window_ms) ?? 0, paceOf(rate), now)
      if (!token.taken) return false
      taken.push([rate.window_ms, token.due])
    }
    for (const [window, due] of taken) dues.set(window, due)
    return true
  }

  const load = (now: number) => ({
    open: connections.length,
    minute: acceptedInMinute(meter, now),
    busy: true,
  })

  for (let now = start; now < start + simulation.lasts; now += step) {
    const second = (seconds[Math.floor((now - start) / 1000)] ??= { accepted: 0, refused: 0, connections: 0 })
    // Messages that end now.
    for (const connection of [...connections]) {
      if (connection.busyUntil === 0 || connection.busyUntil > now) continue
      const { started } = connection
      connection.busyUntil = 0
      if (!connection.accepted) {
        if (connections.filter((one) => one.accepted).length >= hiddenAt(now).connections) {
          learn(connection.worker, { kind: 'connection_refused', at: now, started, ...load(now) })
          connections = connections.filter((one) => one !== connection)
          second.refused++
          continue
        }
        connection.accepted = true
        learn(connection.worker, { kind: 'connected', at: now, started })
        connection.busyUntil = now + Math.max(step, simulation.latency * (0.5 + roll()))
        continue
      }
      if (!takes(now)) {
        learn(connection.worker, { kind: 'rate_refused', at: now, started, dice: roll(), ...load(now) })
        connections = connections.filter((one) => one !== connection)
        second.refused++
        continue
      }
      second.accepted++
      meter = meterAccepted(meter, now)
      connection.used++
      learn(connection.worker, { kind: 'delivered', at: now, started, ...load(now) })
      if (connection.used >= simulation.messagesPerConnection) {
        connections = connections.filter((one) => one !== connection)
      }
    }
    if (now % lag < step) {
      const joined = states.reduce(joinLanes)
      states.fill(joined)
    }
    // Surplus idle connections are closed when the window narrows; then what fits is started, the workers in turn.
    for (let turn = 0; turn < workers; turn++) {
      const worker = (turn + now / step) % workers
      const { connections: allowed } = viewLane(stateOf(worker), limits, now)
      for (const idle of connections.filter((one) => one.worker === worker && one.busyUntil === 0)) {
        if (connections.length > Math.max(1, allowed)) connections = connections.filter((one) => one !== idle)
      }
      for (;;) {
        const view = viewLane(stateOf(worker), limits, now)
        if (connections.filter((one) => one.busyUntil > 0).length >= view.connections) break
        const idle = connections.find((one) => one.worker === worker && one.busyUntil === 0)
        if (!idle && connections.length >= view.connections) break
        if (!pacing(worker, now)) break
        if (idle) {
          idle.started = now
          idle.busyUntil = now + Math.max(step, simulation.latency * (0.5 + roll()))
        } else {
          // A new connection takes a round trip before it is greeted or refused.
          const busyUntil = now + 50 + Math.floor(50 * roll())
          connections.push({ worker, used: 0, accepted: false, started: now, busyUntil })
        }
        if (workers > 1) break
      }
    }
    second.connections = Math.max(second.connections, connections.filter((one) => one.accepted).length)
  }
  return { seconds, state: states.reduce(joinLanes) }
}

/** Sums the run from second `from` to second `to`. */
export const sum = ({ seconds }: Run, from: number, to: number) => {
  const part = seconds.slice(from, to)
  const accepted = part.reduce((total, one) => total + one.accepted, 0)
  const refused = part.reduce((total, one) => total + one.refused, 0)
  return { accepted, refused, perMinute: (accepted * 60) / part.length, waste: refused / (accepted + refused) }
}
