// Sessions kept alive between messages. A session is handed only to a target that equals its own in every respect
// (source, addresses, name, TLS demand, credentials). Nobody ever waits here: there is an idle session or there is
// not. An idle session ends by itself (QUIT) after its idle time, when the peer says or does anything, or when the
// pool is full; its lease is given back when its socket is closed.

import type { Lease } from '../contract'
import type { Session, Target } from './session'

/** How long and for how much a session may be kept. */
export interface Keeping {
  /** Lane whose lease the session holds; empty = none. */
  readonly lane: string
  readonly idle_ms: number
  /** Messages the connection may carry. */
  readonly messages: number
}

interface Idle {
  readonly session: Session
  readonly key: string
  readonly lane: string
  readonly timer: NodeJS.Timeout
}

const idleLimit = 2000

export class SessionPool {
  /** In order of last use, the longest idle first. */
  private readonly idle = new Set<Idle>()
  private readonly byKey = new Map<string, Idle[]>()
  private readonly byLane = new Map<string, Idle[]>()
  private readonly leases = new WeakMap<Session, Lease>()
  private readonly reserved = new WeakMap<Lease, { readonly session: Session; readonly timer: NodeJS.Timeout }>()
  private readonly listeners: ((lane: string) => void)[] = []

  get size(): number {
    return this.idle.size
  }

  /** Told whenever a session with a lease has become idle. */
  onIdle(listener: (lane: string) => void): void {
    this.listeners.push(listener)
  }

  /** The session used last that leads to `target`, with the lease it holds. */
  take(target: Target): { readonly session: Session; readonly lease: Lease | undefined } | undefined {
    const found = this.byKey.get(keyOf(target))?.at(-1)
    if (!found) return undefined
    this.remove(found)
    return { session: found.session, lease: this.leases.get(found.session) }
  }

  /** How many sessions with a lease of the lane are idle. */
  idleIn(lane: string): number {
    return this.byLane.get(lane)?.length ?? 0
  }

  /** Reserves an idle session of the lane for whoever comes with its lease; the lease is the caller's from now on. */
  takeLease(lane: string): Lease | undefined {
    const found = this.byLane.get(lane)?.at(-1)
    const lease = found && this.leases.get(found.session)
    if (!found || !lease) return undefined
    this.remove(found)
    const { session } = found
    // The taker may never come: the connection must not stay open for ever. The lease is not ours any more.
    const timer = setTimeout(() => void session.quit(), reservationMs).unref()
    this.reserved.set(lease, { session, timer })
    session.connection.rest(() => clearTimeout(timer))
    return lease
  }

  /** The session reserved by `takeLease`; it may have ended meanwhile. */
  claim(lease: Lease): Session | undefined {
    const reserved = this.reserved.get(lease)
    if (!reserved) return undefined
    this.reserved.delete(lease)
    clearTimeout(reserved.timer)
    reserved.session.connection.awake()
    return reserved.session
  }

  /** Gives back a lease nobody used; a session reserved with it ends first. */
  returnLease(lease: Lease): void {
    const session = this.claim(lease)
    if (session) void this.end(session, lease)
    else lease.release()
  }

  /**
   * Keeps the session if it may be kept, else ends it. Whatever happens, `lease` is released once its socket is closed,
   * unless somebody takes it before.
   * @returns resolves when the session is handed on (idle) or its socket is closed
   */
  async giveBack(session: Session, keeping: Keeping, lease: Lease | undefined): Promise<void> {
    const keep = session.usable && keeping.idle_ms > 0 && session.uses < keeping.messages
    if (keep && this.add(session, keeping, lease)) {
      if (lease) for (const listener of this.listeners) listener(keeping.lane)
      return
    }
    await this.end(session, lease)
  }

  /** Ends all idle sessions; resolves when their sockets are closed. */
  async close(): Promise<void> {
    await Promise.all([...this.idle].map((one) => this.retire(one)))
  }

  private add(session: Session, keeping: Keeping, lease: Lease | undefined): boolean {
    const entry: Idle = {
      session,
      key: keyOf(session.target),
      lane: lease ? keeping.lane : '',
      timer: setTimeout(() => void this.retire(entry), keeping.idle_ms).unref(),
    }
    if (!session.connection.rest(() => void this.retire(entry))) {
      clearTimeout(entry.timer)
      return false
    }
    if (lease) this.leases.set(session, lease)
    this.idle.add(entry)
    list(this.byKey, entry.key).push(entry)
    if (entry.lane) list(this.byLane, entry.lane).push(entry)
    if (this.idle.size > idleLimit) {
      const [oldest] = this.idle
      if (oldest) void this.retire(oldest)
    }
    return true
  }

  private async retire(entry: Idle): Promise<void> {
    if (!this.idle.has(entry)) return
    this.remove(entry)
    await this.end(entry.session, this.leases.get(entry.session))
  }

  private async end(session: Session, lease: Lease | undefined): Promise<void> {
    if (session.usable) await session.quit()
    await session.connection.closed
    lease?.release()
  }

  private remove(entry: Idle): void {
    clearTimeout(entry.timer)
    entry.session.connection.awake()
    this.idle.delete(entry)
    unlist(this.byKey, entry.key, entry)
    if (entry.lane) unlist(this.byLane, entry.lane, entry)
  }
}

/** Longer than any hook may take between taking the lease and delivering with it. */
const reservationMs = 60_000

const list = (map: Map<string, Idle[]>, key: string): Idle[] => {
  const found = map.get(key) ?? []
  map.set(key, found)
  return found
}

const unlist = (map: Map<string, Idle[]>, key: string, entry: Idle): void => {
  const found = map.get(key)
  if (!found) return
  found.splice(found.lastIndexOf(entry), 1)
  if (found.length === 0) map.delete(key)
}

/** Everything that makes one connection unlike another. */
export const keyOf = (target: Target): string =>
  [
    target.source,
    target.bind ?? '',
    target.address,
    target.port,
    target.host,
    target.ehlo,
    target.tls,
    target.verify,
    target.credentials?.username ?? '',
    target.credentials?.password ?? '',
  ].join('\0')
