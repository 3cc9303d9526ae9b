// The fair first-in first-out of a contended lane: tenants take turns by weight, a tenant's streams by theirs, and
// within one tenant and weight the oldest mail goes first. Shares follow the weights, nobody starves, and all
// operations take constant time (amortised; mail that arrives out of order costs the logarithm of how much of it there
// is). It holds handles, not state: after a restart the queue files are put in again, and queue time restores the order.

import { TransientMap } from '../transient/transient-map'
import { RoundRobin } from './round-robin'
import { Timeline, type Timed } from './timeline'

export interface Parked<T> {
  /** Unique, such as the name of the queue file. */
  readonly id: string
  readonly tenant: string
  readonly stream: string
  /** When it was accepted, ms since 1970. */
  readonly queued: number
  /** What it takes of the lane; 1..100, default 1. */
  readonly cost?: number
  readonly value: T
}

export interface Shares {
  /** Weights, 0.05 or more. They are asked at every turn, so a change holds at once. */
  readonly tenant: (tenant: string) => number
  readonly stream: (stream: string) => number
}

interface Entry<T> extends Timed {
  readonly parked: Parked<T>
  readonly cost: number
  readonly line: Timeline<Entry<T>>
}

/** One tenant: its streams of the same weight share a line. */
class Tenant<T> extends RoundRobin<Entry<T>, Timeline<Entry<T>>> {
  readonly name: string
  readonly #lines = new Map<number, Timeline<Entry<T>>>()
  #live = 0

  constructor(name: string) {
    super((entry) => entry.cost)
    this.name = name
  }

  override get size(): number {
    return this.#live
  }

  lineOf(weight: number): Timeline<Entry<T>> {
    const known = this.#lines.get(weight)
    if (known) return known
    const made = new Timeline<Entry<T>>()
    this.#lines.set(weight, made)
    return made
  }

  put(entry: Entry<T>, weight: number): void {
    entry.line.push(entry)
    this.#live++
    this.join(entry.line, () => weight)
  }

  override shift(): Entry<T> | undefined {
    const entry = super.shift()
    if (entry) this.#live--
    return entry
  }

  drop(entry: Entry<T>): void {
    entry.line.remove(entry)
    this.#live--
  }
}

export class FairQueue<T> {
  readonly #shares: Shares
  readonly #tenants = new TransientMap<string, Tenant<T>>()
  readonly #turns = new RoundRobin<Entry<T>, Tenant<T>>(
    (entry) => entry.cost,
    (tenant) => void this.#tenants.delete(tenant.name),
  )
  readonly #entries = new TransientMap<string, Entry<T>>()
  #sequence = 0

  constructor(shares: Shares) {
    this.#shares = shares
  }

  get size(): number {
    return this.#entries.size
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  /** @returns false where the id is parked already; nothing changes then */
  put(parked: Parked<T>): boolean {
    if (this.#entries.has(parked.id)) return false
    let tenant = this.#tenants.get(parked.tenant)
    if (!tenant) this.#tenants.set(parked.tenant, (tenant = new Tenant(parked.tenant)))
    const weight = this.#shares.stream(parked.stream)
    const line = tenant.lineOf(weight)
    const cost = Math.min(100, Math.max(1, parked.cost ?? 1))
    const entry: Entry<T> = { parked, cost, line, queued: parked.queued, sequence: this.#sequence++, removed: false }
    this.#entries.set(parked.id, entry)
    tenant.put(entry, weight)
    this.#turns.join(tenant, () => this.#shares.tenant(parked.tenant))
    return true
  }

  /** What would be taken now; older mail that is put in may come before it. */
  next(): Parked<T> | undefined {
    return this.#turns.first()?.parked
  }

  /**
   * The best by `score` among those put in first, the longer parked of two alike: a lane that is coming back is probed
   * with mail that receivers like. Take it by `remove`.
   */
  preferred(score: (parked: Parked<T>) => number, among = 1000): Parked<T> | undefined {
    let best: Parked<T> | undefined
    let most = -Infinity
    for (const [, { parked }] of this.#entries) {
      if (among-- <= 0) break
      const one = score(parked)
      if (one > most) [best, most] = [parked, one]
    }
    return best
  }

  take(): Parked<T> | undefined {
    const entry = this.#turns.shift()
    if (!entry) return undefined
    this.#entries.delete(entry.parked.id)
    return entry.parked
  }

  /** Takes one out of turn: moved, flushed or dropped by an operator. */
  remove(id: string): Parked<T> | undefined {
    const entry = this.#entries.delete(id)
    if (!entry) return undefined
    this.#tenants.get(entry.parked.tenant)?.drop(entry)
    return entry.parked
  }

  /** All that is parked, in the order in which it was put in. Nothing may change while it is read. */
  *[Symbol.iterator](): IterableIterator<Parked<T>> {
    for (const [, { parked }] of this.#entries) yield parked
  }
}
