// All lanes of this worker: found by name, made when first asked for, forgotten when unused. Leases are renewed by
// heartbeat; notices of leases given back by other workers wake those who wait for them.

import type { RedisKeys } from '@sluice/core/redis/keys'
import { laneKey, type Lease } from 'haraka-plugin-sluice-host'

import type { RedisLink } from '../redis/link'
import { Lane, type Waiting } from './lane'
import { leaseTtlMs, SharedLeases } from './leases'
import { readNotice } from './notice'

export interface LanesParts {
  readonly link: RedisLink
  readonly keys: RedisKeys
  /** Unique among all workers that share the Redis. */
  readonly worker: string
  /** An idle kept-alive connection of a lane, with its lease. */
  readonly takeIdle: (lane: string) => Lease | undefined
  /** Ends an idle connection that was taken, and releases its lease. */
  readonly returnLease: (lease: Lease) => void
  readonly limitOf: (source: string, provider: string) => number
}

const heartbeatMs = leaseTtlMs / 3

export class Lanes<W extends Waiting> {
  private readonly lanes = new Map<string, Lane<W>>()
  private readonly leases: SharedLeases
  private workers = 1
  private sequence = 0
  private heart: NodeJS.Timeout | undefined

  constructor(private readonly parts: LanesParts) {
    this.leases = new SharedLeases(parts.link, parts.keys, parts.worker, () => this.workers)
    parts.link.onReturn(() => this.rejoin())
    parts.link.subscribe(parts.keys.leaseChannel, (text) => this.heard(text))
  }

  start(): void {
    this.heart ??= setInterval(() => this.beat(), heartbeatMs).unref()
  }

  /** Gives all leases back; waiting mails stay where they are, in the queue folder. */
  stop(): void {
    clearInterval(this.heart)
    for (const lane of this.lanes.values()) {
      lane.close()
      for (const id of lane.heldIds) this.leases.release(lane.name, id, 0)
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

  /** Limits may have changed. */
  reconfigure(): void {
    for (const lane of this.lanes.values()) lane.setLimit(this.parts.limitOf(lane.name.source, lane.name.provider))
  }

  /** Lanes in which mails wait. */
  *crowded(): Iterable<Lane<W>> {
    for (const lane of this.lanes.values()) if (lane.waiting > 0) yield lane
  }

  private lane(source: string, provider: string): Lane<W> {
    const key = laneKey(source, provider)
    const known = this.lanes.get(key)
    if (known) return known
    const { worker, takeIdle, returnLease, limitOf } = this.parts
    const lane = new Lane<W>({ source, provider, key }, limitOf(source, provider), {
      keeper: this.leases,
      takeIdle,
      returnLease,
      newLeaseId: () => `${worker}:${++this.sequence}`,
    })
    this.lanes.set(key, lane)
    return lane
  }

  private heard(text: string): void {
    const notice = readNotice(text)
    if (notice?.kind === 'freed') this.lanes.get(notice.lane)?.freed()
    else if (notice && notice.worker !== this.parts.worker) {
      this.lanes.get(notice.lane)?.wanted(notice.worker, notice.missing)
    }
  }

  private rejoin(): void {
    this.beat()
    this.leases.settleDoubts()
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
    this.leases.renew(this.heldLeases())
    for (const [key, lane] of this.lanes) {
      if (!lane.unused) continue
      lane.close()
      this.lanes.delete(key)
    }
  }

  private *heldLeases() {
    for (const { name, heldIds } of this.lanes.values()) yield { lane: name, ids: heldIds }
  }
}
