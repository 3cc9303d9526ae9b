// The connections of one lane for which this worker holds leases: which are on their way out, and how idle ones are
// taken, and ended where there are too many or others wait for them.

import type { Lease } from 'haraka-plugin-sluice-host'

import { HeldLease, type Admitted, type LeaseOwner } from './waiting'

/** Why a connection is being closed: another worker waits for its lease, or there are more than may be. */
export type Leaving = 'owed' | 'surplus'

export interface IdleConnections {
  /** How many idle kept-alive connections a lane has. */
  readonly idle: (lane: string) => number
  /** One of them, with its lease. */
  readonly takeIdle: (lane: string) => Lease | undefined
  /** Ends an idle connection that was taken, and releases its lease; of any other lease only the latter. */
  readonly returnLease: (lease: Lease) => void
}

export class LaneConnections {
  private readonly held = new Map<string, HeldLease>()
  private readonly leaving = new Map<string, Leaving>()

  constructor(
    private readonly lane: string,
    private readonly parts: IdleConnections,
    private readonly owner: LeaseOwner,
  ) {}

  /** Leases held. */
  get size(): number {
    return this.held.size
  }

  /** Those that are not on their way out. */
  get staying(): number {
    return this.held.size - this.leaving.size
  }

  get idle(): number {
    return this.parts.idle(this.lane)
  }

  get ids(): Iterable<string> {
    return this.held.keys()
  }

  /** A lease for a connection that is yet to be opened. */
  hold(id: string): HeldLease {
    const lease = new HeldLease(id, this.owner)
    this.held.set(id, lease)
    return lease
  }

  takeIdle(): Lease | undefined {
    return this.parts.takeIdle(this.lane)
  }

  giveUp(lease: Lease): void {
    this.parts.returnLease(lease)
  }

  /** A message may go by the connection of this lease. */
  admit(lease: Lease, admitted: Admitted): void {
    this.held.get(lease.id)?.admit(admitted)
  }

  /** Ends an idle connection; false where there is none. */
  endIdle(why: Leaving): boolean {
    const idle = this.takeIdle()
    if (!idle) return false
    this.leaving.set(idle.id, why)
    this.giveUp(idle)
    return true
  }

  /** The connection is closed; says why, if it was closed by us. */
  closed(id: string): Leaving | undefined {
    const why = this.leaving.get(id)
    this.leaving.delete(id)
    return why
  }

  forget(id: string): void {
    this.held.delete(id)
  }
}
