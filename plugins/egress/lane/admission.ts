// Admission of all workers, decided by one script in Redis; while Redis is away each worker goes by its share of the
// limits. What was taken then is made known when Redis returns. An answer that is late is no proof of absence: others
// may still be served, and their leases and a share of ours would be too many. So nothing is admitted anew until Redis
// has been away for a second. Nothing here fails: an answer always comes, from there or from here. What several lanes
// ask in one tick shares a round trip.

import type { AdmissionRules, NamedPace } from '@sluice/core/lane/admission'
import { messageOf, SluiceError } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'

import type { LinkLog, RedisLink } from '../redis/link'
import { LocalAdmission } from './local'
import { asker } from './notice'
import type { LaneName } from './ruling'

export interface Order {
  readonly lane: LaneName
  /** The rules, divided by so many workers. */
  readonly rules: (workers: number) => AdmissionRules
  /** Leases wanted, in order: one new connection and its first message each. */
  readonly ids: readonly string[]
  /** Messages wanted on connections that are held. */
  readonly messages: number
  /** Messages accepted since the lane asked last. */
  readonly accepted: number
  /** Tell the other workers where leases are missing for want of room. */
  readonly tell: boolean
}

export interface Answer {
  /** How many of the ids asked for are held now, from the first. */
  readonly granted: number
  readonly messages: number
  /** ms after which asking again may help; 0 = nothing was refused, Infinity = only a release can help. */
  readonly waitMs: number
  /** Leases were refused because the lane, or the provider, has no more connections to give. */
  readonly noRoom: boolean
  /** Connections of the lane, messages accepted in the last minute: over all workers; 0 = not known. */
  readonly open: number
  readonly minute: number
  /** Messages taken of the day's warm-up allowance, and ms until its pace lets the next one go. */
  readonly used: number
  readonly pacingMs: number
}

/** A lease that is not needed any more. */
export interface Returned {
  readonly lane: LaneName
  readonly id: string
  readonly cap: number
  readonly totalCap: number
  /** Day of whose allowance a message was taken that was never sent. */
  readonly unsentDay?: number | undefined
}

export interface HeldLeases {
  readonly lane: LaneName
  readonly totalCap: number
  readonly ids: Iterable<string>
}

/** What the lanes of a worker need to be admitted. */
export interface Admission {
  /** Among how many the limits are to be divided now. */
  readonly sharers: number
  admit(order: Order): Promise<Answer>
  release(returned: Returned): void
}

export interface SharedAdmissionParts {
  readonly link: RedisLink
  readonly keys: RedisKeys
  readonly log: LinkLog
  /** Id of this worker. */
  readonly worker: string
  /** How many were seen last. */
  readonly workers: () => number
  /** Leases this worker holds in a lane, and in all lanes of a provider. */
  readonly heldIn: (lane: LaneName) => Iterable<string>
  readonly heldAt: (provider: string) => Iterable<string>
  /** ms since 1970 */
  readonly now: () => number
}

/** ms; a killed worker's slots are free again after this. */
export const leaseTtlMs = 10_000

export class SharedAdmission implements Admission {
  private readonly local: LocalAdmission
  /** Asked for without an answer: Redis may have granted them all the same. */
  private readonly doubtful: Returned[] = []
  /** Since when there has been no answer, performance.now(). */
  private silentSince: number | undefined
  /** Paces as the script reads them: the same ones are asked for again and again. */
  private readonly written = new WeakMap<readonly NamedPace[], readonly string[]>()

  constructor(private readonly parts: SharedAdmissionParts) {
    this.local = new LocalAdmission(parts.now)
  }

  get sharers(): number {
    return this.patienceMs() > 0 ? 1 : this.parts.workers()
  }

  async admit(order: Order): Promise<Answer> {
    const rules = order.rules(1)
    try {
      const [granted, messages, wait, open, minute, used, full, pacing] = await this.ask(order, rules)
      const known = { open, minute, used, pacingMs: pacing }
      this.silentSince = undefined
      return { granted, messages, waitMs: wait < 0 ? Infinity : wait, noRoom: full > 0, ...known }
    } catch (thrown) {
      // The link has told of its absence; what else goes wrong is a fault of the script.
      if (!isAway(thrown)) this.parts.log.error(`admission: ${messageOf(thrown)}`)
      this.silentSince ??= performance.now()
      return this.admitAlone(order, rules)
    }
  }

  release({ lane, id, cap, totalCap, unsentDay }: Returned): void {
    const { link, keys } = this.parts
    const { leases, totalLeases } = keys.lane(lane.source, lane.provider)
    const warmed = keys.warmed(lane.source, lane.provider, unsentDay ?? 0)
    const unsent = unsentDay === undefined ? 0 : 1
    link.send((redis) =>
      redis.releaseLease(leases, totalLeases, warmed, id, cap, totalCap, unsent, keys.leaseChannel, lane.key),
    )
  }

  renew({ lane, totalCap, ids }: HeldLeases): void {
    const list = [...ids]
    if (list.length === 0) return
    const { leases, totalLeases } = this.parts.keys.lane(lane.source, lane.provider)
    this.parts.link.send((redis) => redis.renewLeases(leases, totalLeases, leaseTtlMs, totalCap, ...list))
  }

  /** Redis is back: adds what was taken of allowances meanwhile, gives back what it may have granted to nobody. */
  rejoin(): void {
    const { link, keys } = this.parts
    this.silentSince = undefined
    for (const { lane, day, used } of this.local.warmed()) {
      link.send((redis) => redis.countAllowance(keys.warmed(lane.source, lane.provider, day), used))
    }
    this.local.clear()
    for (const returned of this.doubtful.splice(0)) this.release(returned)
  }

  private ask(order: Order, rules: AdmissionRules) {
    const { link, keys, worker } = this.parts
    const { lane } = order
    const names = keys.lane(lane.source, lane.provider)
    const { lane_cap, total_cap = 0, paces, warmup } = rules
    return link.run((redis) =>
      redis.admit(
        names.leases,
        names.totalLeases,
        names.paces,
        names.totalPaces,
        names.meter,
        keys.warmed(lane.source, lane.provider, warmup?.day ?? 0),
        leaseTtlMs,
        lane_cap,
        total_cap,
        warmup?.limit ?? -1,
        order.messages,
        order.accepted,
        order.tell ? keys.leaseChannel : '',
        asker(worker, lane.key),
        paces.length,
        ...this.argumentsOf(paces),
        ...order.ids,
      ),
    )
  }

  private argumentsOf(paces: readonly NamedPace[]): readonly string[] {
    const known = this.written.get(paces)
    if (known) return known
    const fresh = paces.flatMap(paceArguments)
    this.written.set(paces, fresh)
    return fresh
  }

  private admitAlone(order: Order, shared: AdmissionRules): Answer {
    const { lane, ids, messages } = order
    const { lane_cap: cap, total_cap: totalCap = 0 } = shared
    const patience = this.patienceMs()
    if (patience > 0) {
      for (const id of ids) this.doubtful.push({ lane, id, cap, totalCap })
      return { ...nothingAdmitted, waitMs: patience }
    }
    const rules = order.rules(Math.max(1, this.parts.workers()))
    const [held, heldTotal] = [this.parts.heldIn(lane), this.parts.heldAt(lane.provider)]
    const answer = this.local.admit({ lane, rules, ids, messages, held, heldTotal })
    for (const id of ids.slice(answer.granted)) this.doubtful.push({ lane, id, cap, totalCap })
    const { granted, wait_ms, state } = answer
    const waitMs = wait_ms > longestMs ? Infinity : wait_ms
    return { ...nothingAdmitted, granted, messages: answer.messages, waitMs, used: state.warmup.used }
  }

  /** ms for which an absence is not believed yet. */
  private patienceMs(): number {
    return this.silentSince === undefined ? Infinity : this.silentSince + patienceMs - performance.now()
  }
}

/** ms of silence after which Redis counts as away for all. */
const patienceMs = 1000

export const nothingAdmitted: Answer = {
  granted: 0,
  messages: 0,
  waitMs: Infinity,
  noRoom: false,
  open: 0,
  minute: 0,
  used: 0,
  pacingMs: 0,
}

const isAway = (thrown: unknown): boolean => thrown instanceof SluiceError && thrown.code === 'SLUICE_REDIS_AWAY'

/** What is waited for longer than this is a release. */
const longestMs = 7 * 86_400_000

const paceArguments = ({ name, unit, interval, tolerance }: NamedPace): readonly string[] => [
  `${name.startsWith('lane:') ? 'l' : 't'}${unit === 'message' ? 'm' : 'c'}`,
  name,
  String(interval),
  String(tolerance),
]
