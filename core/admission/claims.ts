// Who else waits in a lane, and how many of this worker's leases it owes them. A worker without waiting mail owes all
// it can spare; one that has mail waiting keeps its equal share (rounded up, so that the odd lease does not go to and
// fro), and where there are fewer leases than workers they take turns.

/** A worker that has not asked again for so long does not wait any more; ms. Longer than any lane waits to ask. */
const claimMs = 15_000
/** How long a turn lasts where there are fewer leases than workers; ms. */
const turnMs = 2000

export interface Holding {
  /** Leases held by this worker. */
  readonly held: number
  /** Connection limit of the lane. */
  readonly limit: number
  /** Mail waits here too. */
  readonly busy: boolean
}

export class Claims {
  private readonly rivals = new Map<string, number>()
  private turnBegan = -Infinity

  /**
   * Another worker could not get `missing` leases.
   * @param now ms
   * @returns how many leases to give up as they come free
   */
  claimed(by: string, missing: number, { held, limit, busy }: Holding, now: number): number {
    this.rivals.set(by, now)
    this.forget(now)
    const share = busy ? Math.max(1, Math.ceil(limit / this.claimants)) : 0
    return Math.max(0, Math.min(missing, held - share))
  }

  /** Whether a lease must go although nobody has more than his share; asked as leases come free. */
  turnIsOver({ held, limit, busy }: Holding, now: number): boolean {
    if (this.rivals.size === 0 || held === 0 || !busy) return false
    if (now - this.turnBegan < turnMs) return false
    this.forget(now)
    if (limit >= this.claimants) return false
    this.turnBegan = now
    return true
  }

  /** This worker got a lease where it had none. */
  turnBegins(now: number): void {
    this.turnBegan = now
  }

  private get claimants(): number {
    return this.rivals.size + 1
  }

  private forget(now: number): void {
    for (const [rival, at] of this.rivals) if (now - at > claimMs) this.rivals.delete(rival)
  }
}
