// Leases of all workers, kept in Redis; while Redis is away each worker goes by its share of the limit. Leases taken
// then are made known when Redis returns. Nothing here fails: an answer always comes, from there or from here.

import { localShare } from '@sluice/core/admission/share'
import type { RedisKeys } from '@sluice/core/redis/keys'

import type { RedisLink } from '../redis/link'
import { freedNotice, wantedNotice } from './notice'

/** A lane as Redis knows it. */
export interface LaneName {
  readonly source: string
  readonly provider: string
  /** `laneKey` of both */
  readonly key: string
}

export interface Answer {
  /** How many of the ids asked for are held now, from the first. */
  readonly granted: number
  /** Where not all are: ms after which a lease of somebody else expires; Infinity = nobody's will. */
  readonly retryMs: number
}

export interface LaneState {
  /** Connection limit over all workers. */
  readonly limit: number
  /** Leases this worker holds already. */
  readonly held: number
  /** Tell the other workers where not all are granted. */
  readonly tell: boolean
}

export interface HeldLeases {
  readonly lane: LaneName
  readonly ids: Iterable<string>
}

/** Where lanes get their leases from. */
export interface LeaseKeeper {
  acquire(lane: LaneName, ids: readonly string[], state: LaneState): Promise<Answer>
  release(lane: LaneName, id: string, limit: number): void
  renew(held: Iterable<HeldLeases>): void
  /** How many leases of a lane this worker may hold now. */
  capacity(limit: number): number
}

/** ms; a killed worker's slots are free again after this. */
export const leaseTtlMs = 10_000

export class SharedLeases implements LeaseKeeper {
  /** Asked for without an answer: Redis may have granted them all the same. */
  private readonly doubtful: { readonly lane: LaneName; readonly id: string; readonly limit: number }[] = []

  /**
   * @param worker id of this one
   * @param workers how many were seen last
   */
  constructor(
    private readonly link: RedisLink,
    private readonly keys: RedisKeys,
    private readonly worker: string,
    private readonly workers: () => number,
  ) {}

  capacity(limit: number): number {
    return this.link.present ? limit : localShare(limit, this.workers())
  }

  async acquire(lane: LaneName, ids: readonly string[], { limit, held, tell }: LaneState): Promise<Answer> {
    try {
      const key = this.keys.leases(lane.source, lane.provider)
      const channel = tell ? this.keys.leaseChannel : ''
      const [before, after] = wantedNotice(this.worker, lane.key)
      const [granted, wait] = await this.link.run((redis) =>
        redis.acquireLeases(key, limit, leaseTtlMs, channel, before, after, ...ids),
      )
      return { granted, retryMs: wait > 0 ? wait : Infinity }
    } catch {
      // The link has told of the absence. What was asked may still be granted: given back when Redis returns.
      const granted = Math.max(0, Math.min(ids.length, this.capacity(limit) - held))
      for (const id of ids.slice(granted)) this.doubtful.push({ lane, id, limit })
      return { granted, retryMs: Infinity }
    }
  }

  release({ source, provider, key }: LaneName, id: string, limit: number): void {
    const leases = this.keys.leases(source, provider)
    this.link.send((redis) => redis.releaseLease(leases, id, limit, this.keys.leaseChannel, freedNotice(key)))
  }

  renew(held: Iterable<HeldLeases>): void {
    for (const { lane, ids } of held) {
      const list = [...ids]
      if (list.length === 0) continue
      const key = this.keys.leases(lane.source, lane.provider)
      this.link.send((redis) => redis.renewLeases(key, leaseTtlMs, ...list))
    }
  }

  /** Redis is back: gives back what it may have granted to nobody. */
  settleDoubts(): void {
    for (const { lane, id, limit } of this.doubtful.splice(0)) this.release(lane, id, limit)
  }
}
