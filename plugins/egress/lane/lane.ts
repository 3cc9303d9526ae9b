// One lane (source x provider) as one worker sees it: the leases it holds, and the mails that wait for one, first in
// first out. A lease given back goes straight to the mail that waits; otherwise, and only where there may be room,
// leases are asked for, for all that wait in one question. A lane known to be full is not asked again until something
// has changed: a lease was given back somewhere, one expires, the limit or Redis' presence changed. Where mails of
// another worker wait, leases it can claim are given up as they come free.

import { Claims, type Holding } from '@sluice/core/admission/claims'
import { Fifo } from '@sluice/core/admission/fifo'
import type { Lease } from 'haraka-plugin-sluice-host'

import type { LaneName, LeaseKeeper } from './leases'

/** A mail that wants a lease. */
export interface Waiting {
  /** Called once, with a lease that is now the mail's to release. */
  grant(lease: Lease): void
  /** There is no room for now: the mail is not to block anybody while it waits. Called at most once. */
  park(): void
}

export interface LaneParts {
  readonly keeper: LeaseKeeper
  /** An idle kept-alive connection of the lane, with its lease. */
  readonly takeIdle: (lane: string) => Lease | undefined
  /** Ends an idle connection that was taken, and releases its lease. */
  readonly returnLease: (lease: Lease) => void
  readonly newLeaseId: () => string
}

/** Leases asked for in one question at most. */
const batch = 64
/** ms between the expiry of a lease and the question whether it is free. */
const expiryGraceMs = 5
/** ms a lane that has given up a lease leaves it to others. */
const yieldMs = 50
/** Others are not told again of what they know for so long; ms. */
const tellEveryMs = 1000

export class Lane<W extends Waiting = Waiting> {
  private readonly held = new Set<string>()
  private readonly queue = new Fifo<W>()
  /** Those of the queue that have not been parked, oldest first. */
  private fresh: W[] = []
  private asking = false
  private full = false
  /** How often room was made: an answer that is older than the last time does not mean that the lane is full. */
  private changes = 0
  private readonly claims = new Claims()
  /** Leases to give up as they come free, and those on their way out. */
  private owed = 0
  private readonly leaving = new Set<string>()
  /** When, and of how many missing leases, the others were told last. */
  private toldAt = -Infinity
  private told = 0
  /** What was given up is for other workers: until then it is not asked for. */
  private yieldsUntil = -Infinity
  private timer: NodeJS.Timeout | undefined

  constructor(
    readonly name: LaneName,
    private limit: number,
    private readonly parts: LaneParts,
  ) {}

  get heldIds(): ReadonlySet<string> {
    return this.held
  }

  get waiting(): number {
    return this.queue.size
  }

  /** Nobody would miss it. */
  get unused(): boolean {
    return this.held.size === 0 && this.queue.size === 0 && !this.asking
  }

  setLimit(limit: number): void {
    if (limit === this.limit) return
    this.limit = limit
    this.mayHaveRoom()
  }

  /** The mail gets a lease now, or soon, or is parked until there is one. */
  admit(waiting: W): void {
    this.queue.push(waiting)
    this.fresh.push(waiting)
    this.serve()
  }

  /** Something changed that may have made room. */
  mayHaveRoom(): void {
    this.full = false
    this.changes++
    this.connectionIdle()
  }

  /** One of the lane's connections may be idle; whether others have room for us is as unknown as before. */
  connectionIdle(): void {
    this.payIdle()
    if (this.queue.size > 0) this.serve()
  }

  /** A lease was given back somewhere. */
  freed(): void {
    if (performance.now() >= this.yieldsUntil) this.mayHaveRoom()
  }

  /** Mail waits at another worker that could not get `missing` leases. */
  wanted(by: string, missing: number): void {
    this.owed = Math.max(this.owed, this.claims.claimed(by, missing, this.holding(), performance.now()))
    this.payIdle()
  }

  /** The waiting mails, in the order in which they go; nothing may change while they are read. */
  [Symbol.iterator](): Iterator<W> {
    return this.queue[Symbol.iterator]()
  }

  /** Takes the waiting mails out that `leaves` names; the others keep their order. */
  remove(leaves: (waiting: W) => boolean): W[] {
    const removed = new Set<W>()
    for (const one of this.queue.drain()) {
      if (leaves(one)) removed.add(one)
      else this.queue.push(one)
    }
    if (removed.size > 0) this.fresh = this.fresh.filter((one) => !removed.has(one))
    return [...removed]
  }

  close(): void {
    clearTimeout(this.timer)
  }

  private serve(): void {
    while (this.queue.size > 0) {
      const idle = this.parts.takeIdle(this.name.key)
      if (!idle) break
      this.grant(idle)
    }
    if (this.asking) return
    const wanted = Math.min(this.queue.size, this.parts.keeper.capacity(this.limit) - this.held.size, batch)
    if (wanted > 0 && !this.full) void this.ask(wanted)
    else this.parkFresh()
  }

  private async ask(wanted: number): Promise<void> {
    this.asking = true
    const { changes } = this
    const ids = Array.from({ length: wanted }, this.parts.newLeaseId)
    const now = performance.now()
    const tell = wanted > this.told || now - this.toldAt >= tellEveryMs
    const hadNone = this.held.size === 0
    const state = { limit: this.limit, held: this.held.size, tell }
    const answer = await this.parts.keeper.acquire(this.name, ids, state)
    const missing = wanted - answer.granted
    if (tell && missing > 0) this.toldAt = now
    this.told = tell ? missing : Math.max(0, this.told - answer.granted)
    if (hadNone && answer.granted > 0) this.claims.turnBegins(now)
    this.asking = false
    for (const id of ids.slice(0, answer.granted)) this.held.add(id)
    // Those who waited may have been served meanwhile: what is left over goes back.
    for (const id of ids.slice(0, answer.granted)) this.use(id)
    if (missing > 0 && changes === this.changes) this.wait(answer.retryMs)
    if (this.queue.size > 0) this.serve()
  }

  private wait(ms: number): void {
    this.full = true
    clearTimeout(this.timer)
    if (ms !== Infinity) this.timer = setTimeout(() => this.mayHaveRoom(), ms + expiryGraceMs).unref()
  }

  /** Gives a slot this worker holds to the next in the queue, or back. */
  private use(id: string): void {
    const yielded = this.leaving.delete(id) || this.pay()
    if (!yielded && this.queue.size > 0 && this.held.size <= this.parts.keeper.capacity(this.limit)) {
      this.grant(new HeldLease(id, (released) => this.use(released)))
      return
    }
    this.held.delete(id)
    this.parts.keeper.release(this.name, id, this.limit)
    this.changes++
    if (yielded) this.yieldsUntil = performance.now() + yieldMs
    if (yielded && this.queue.size > 0) this.wait(yieldMs)
    else this.full = false
  }

  /** Whether a lease that has come free is owed. */
  private pay(): boolean {
    if (this.owed > 0) this.owed--
    else if (!this.claims.turnIsOver(this.holding(), performance.now())) return false
    return true
  }

  /** Ends idle connections for the leases that are owed. */
  private payIdle(): void {
    if (this.owed === 0 && this.claims.turnIsOver(this.holding(), performance.now())) this.owed = 1
    while (this.owed > 0) {
      const idle = this.parts.takeIdle(this.name.key)
      if (!idle) return
      this.owed--
      this.leaving.add(idle.id)
      this.parts.returnLease(idle)
    }
  }

  private holding(): Holding {
    return { held: this.held.size - this.leaving.size, limit: this.limit, busy: this.queue.size > 0 }
  }

  private grant(lease: Lease): void {
    const next = this.queue.shift()
    if (!next) {
      lease.release()
      return
    }
    // Mails are granted in the order in which they came, so a mail not parked yet is the first of the fresh ones.
    if (this.fresh[0] === next) this.fresh.shift()
    next.grant(lease)
  }

  private parkFresh(): void {
    const fresh = this.fresh
    this.fresh = []
    for (const one of fresh) one.park()
  }
}

class HeldLease implements Lease {
  private released = false

  constructor(
    readonly id: string,
    private readonly giveBack: (id: string) => void,
  ) {}

  release(): void {
    if (this.released) return
    this.released = true
    this.giveBack(this.id)
  }
}
