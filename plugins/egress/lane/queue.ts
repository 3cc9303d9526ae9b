// The mails that wait in a lane: tenants by weight, their streams by theirs, the oldest first. Some are still inside
// Haraka's delivery queue (fresh): they are parked as soon as it is clear that they have to wait.

import { FairQueue } from '@sluice/core/fairness/queue'
import { TransientMap } from '@sluice/core/transient/transient-map'

import type { Waiting } from './waiting'

/** Who is next. */
export interface LaneShares {
  /** Weights, 0.05 or more. */
  readonly tenant: (tenant: string) => number
  readonly stream: (stream: string) => number
  /** How well recipients like a stream: the best-liked goes first where a lane is warmed up. */
  readonly liking: (stream: string) => number
}

export class LaneQueue<W extends Waiting> {
  private readonly queue: FairQueue<W>
  private readonly fresh = new TransientMap<string, W>()
  private sequence = 0

  constructor(private readonly shares: LaneShares) {
    this.queue = new FairQueue(shares)
  }

  get size(): number {
    return this.queue.size
  }

  /** In the order in which they came. Nothing may change while they are read. */
  *[Symbol.iterator](): Iterator<W> {
    for (const { value } of this.queue) yield value
  }

  put(waiting: W): void {
    const { tenant, stream, queued } = waiting
    const id = String(++this.sequence)
    this.queue.put({ id, tenant, stream, queued, value: waiting })
    this.fresh.set(id, waiting)
  }

  /** Stream of the mail that is next. */
  nextStream(): string | undefined {
    return this.queue.next()?.stream
  }

  /** The same in a lane that is being warmed up. */
  bestLikedStream(): string | undefined {
    return this.bestLiked()?.stream
  }

  take(): W | undefined {
    return this.taken(this.queue.take())
  }

  takeBestLiked(): W | undefined {
    const best = this.bestLiked()
    return this.taken(best && this.queue.remove(best.id))
  }

  /** Takes out those that `leaves` names; the others keep their order. */
  remove(leaves: (waiting: W) => boolean): W[] {
    const removed = [...this.queue].filter(({ value }) => leaves(value))
    for (const { id } of removed) {
      this.queue.remove(id)
      this.fresh.delete(id)
    }
    return removed.map(({ value }) => value)
  }

  parkFresh(): void {
    for (const [id] of [...this.fresh]) this.fresh.delete(id)?.park()
  }

  private bestLiked() {
    return this.queue.preferred(({ stream }) => this.shares.liking(stream))
  }

  private taken(one: { readonly id: string; readonly value: W } | undefined): W | undefined {
    if (one) this.fresh.delete(one.id)
    return one?.value
  }
}
