// All lanes of this worker: found by name, made when first asked for, forgotten when unused. Leases are renewed by
// heartbeat; notices of leases given back by other workers wake those who wait for them.

import type { RedisKeys } from '@sluice/core/redis/keys'
import { laneKey, type Lease, type Settlement } from 'haraka-plugin-sluice-host'

import type { LinkLog, RedisLink } from '../redis/link'
import { leaseTtlMs, SharedAdmission } from './admission'
import { Lane, type LaneParts } from './lane'
import { asker, readNotice, type Missed } from './notice'
import type { LaneShares } from './queue'
import type { LaneLoad, Rulings, Warmups } from './ruling'
import type { Waiting } from './waiting'

export interface LanesParts {
  readonly link: RedisLink
  readonly keys: RedisKeys
  readonly log: LinkLog
  /** Unique among all workers that share the Redis. */
  readonly worker: string
  readonly rulings: Rulings
  /** Absent: no lane is warmed up. */
  readonly warmups?: Warmups
  readonly shares: LaneShares
  /** How many idle kept-alive connections a lane has. */
  readonly idle: (lane: string) => number
  /** One of them, with its lease. */
  readonly takeIdle: (lane: string) => Lease | undefined
  /** Ends an idle connection that was taken, and releases its lease. */
  readonly returnLease: (lease: Lease) => void
  /** ms since 1970 */
  readonly now: () => number
}

const heartbeatMs = leaseTtlMs / 3

export class Lanes<W extends Waiting> {
  private readonly lanes = new Map<string, Lane<W>>()
  private readonly admission: SharedAdmission
  private readonly laneParts: LaneParts
  private workers = 1
  private sequence = 0
  private heart: NodeJS.Timeout | undefined

  constructor(private readonly parts: LanesParts) {
    const { worker, link, keys, log, now, rulings } = parts
    this.admission = new SharedAdmission({
      link,
      keys,
      log,
      worker,
      now,
      workers: () => this.workers,
      heldIn: ({ key }) => this.lanes.get(key)?.heldIds ?? [],
      heldAt: (provider) => this.heldAt(provider),
    })
    const newLeaseId = () => `${worker}:${++this.sequence}`
    this.laneParts = { ...parts, admission: this.admission, newLeaseId }
    rulings.onChange((lane) => this.lanes.get(lane)?.mayHaveRoom())
    link.onReturn(() => this.rejoin())
    link.subscribe(keys.leaseChannel, (text) => this.heard(text))
  }

  start(): void {
    this.heart ??= setInterval(() => this.beat(), heartbeatMs).unref()
  }

  /** Gives all leases back; waiting mails stay where they are, in the queue folder. */
  stop(): void {
    clearInterval(this.heart)
    for (const lane of this.lanes.values()) {
      lane.close()
      const { name, totalCap, heldIds } = lane
      for (const id of heldIds) this.admission.release({ lane: name, id, cap: 0, totalCap })
    }
    const { link, keys, worker } = this.parts
    link.send((redis) => redis.zrem(keys.workers, worker))
  }

  admit(source: string, provider: string, waiting: W): void {
    this.lane(source, provider).admit(waiting)
  }

  /** One of the lane's connections is idle. */
  connectionIdle(lane: string): void {
    this.lanes.get(lane)?.connectionIdle()
  }

  /** An attempt has ended: what was accepted counts for the load of its lane. */
  settled({ attempt, recipients }: Settlement): void {
    if (!attempt.route || !recipients.some(({ kind }) => kind === 'delivered')) return
    this.lanes.get(attempt.route.lane)?.messagesAccepted(1)
  }

  /** What was known last of a lane over all workers. */
  loadOf(lane: string): LaneLoad {
    return this.lanes.get(lane)?.load ?? { open: 0, minute: 0, busy: false }
  }

  /** Workers that shared the Redis when it was asked last. */
  get workersSeen(): number {
    return this.workers
  }

  /** Limits may have changed. */
  reconfigure(): void {
    for (const lane of this.lanes.values()) lane.mayHaveRoom()
  }

  /** Lanes in which mails wait. */
  *crowded(): Iterable<Lane<W>> {
    for (const lane of this.lanes.values()) if (lane.waiting > 0) yield lane
  }

  private lane(source: string, provider: string): Lane<W> {
    const key = laneKey(source, provider)
    const known = this.lanes.get(key)
    if (known) return known
    const lane = new Lane<W>({ source, provider, key }, this.laneParts)
    this.lanes.set(key, lane)
    return lane
  }

  private heard(text: string): void {
    const notice = readNotice(text)
    if (!notice) return
    if ('worker' in notice) this.missed(notice)
    else if (notice.kind === 'freed') this.lanes.get(notice.lane)?.givenBack()
    else for (const one of this.ofProvider(notice.lane)) one.givenBack()
  }

  private missed({ kind, worker, lane, missing }: Missed): void {
    if (kind === 'wanted') {
      if (worker !== this.parts.worker) this.lanes.get(lane)?.wanted(worker, missing, 'lane')
      return
    }
    // No room at the provider: all its other lanes may owe some, also those of the same worker.
    for (const one of this.ofProvider(lane)) {
      const itself = worker === this.parts.worker && one.name.key === lane
      if (!itself) one.wanted(asker(worker, lane), missing, 'total')
    }
  }

  /** Lanes of the same provider. */
  private *ofProvider(lane: string): Iterable<Lane<W>> {
    const provider = lane.slice(lane.indexOf('|'))
    for (const [key, one] of this.lanes) if (key.slice(key.indexOf('|')) === provider) yield one
  }

  private *heldAt(provider: string): Iterable<string> {
    for (const lane of this.lanes.values()) if (lane.name.provider === provider) yield* lane.heldIds
  }

  private rejoin(): void {
    this.beat()
    this.admission.rejoin()
    for (const lane of this.lanes.values()) lane.mayHaveRoom()
  }

  private beat(): void {
    const { link, keys, worker } = this.parts
    link
      .run((redis) => redis.heartbeat(keys.workers, worker, leaseTtlMs))
      .then(
        (workers) => (this.workers = workers),
        () => undefined, // away: the link has said so, and the number last seen stands
      )
    for (const { name, totalCap, heldIds } of this.lanes.values()) {
      this.admission.renew({ lane: name, totalCap, ids: heldIds })
    }
    for (const [key, lane] of this.lanes) {
      if (!lane.unused) continue
      lane.close()
      this.lanes.delete(key)
    }
  }
}
