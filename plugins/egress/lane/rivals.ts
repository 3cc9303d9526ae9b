// What a lane owes the lanes of other workers that wait for the same leases (core/admission/claims): for the lane's own
// limit, and for the limit that all lanes of the provider share. What is owed is given up as it comes free, idle
// connections at once; whoever gives up leaves the lease to the others for a moment.

import { Claims } from '@sluice/core/admission/claims'

export interface Holdings {
  /** Leases of the lane held by this worker. */
  readonly held: number
  /** Connection limit of the lane, and of all lanes of the provider (0 = none). */
  readonly limit: number
  readonly total: number
  /** Mail waits here too. */
  readonly busy: boolean
}

/** ms a lane that has given up a lease leaves it to others. */
const yieldMs = 50
/** Others are not told again of what they know for so long; ms. */
const tellEveryMs = 1000

export class Rivals {
  private readonly claims = { lane: new Claims(), total: new Claims() }
  /** Leases to give up as they come free. */
  private owed = 0
  /** When, and of how many missing leases, the others were told last. */
  private toldAt = -Infinity
  private missing = 0
  /** What was given up is for others: until then it is not asked for. */
  private yieldsUntil = -Infinity

  /** Somebody could not get `missing` leases, for want of room in the lane or at the provider. */
  claimed(by: string, missing: number, of: 'lane' | 'total', holdings: Holdings, now: number): void {
    const limit = of === 'lane' ? holdings.limit : holdings.total
    this.owed = Math.max(this.owed, this.claims[of].claimed(by, missing, { ...holdings, limit }, now))
  }

  /** How many leases are to be given up now, if they can be. */
  owes(holdings: Holdings, now: number): number {
    if (this.owed === 0 && this.turnIsOver(holdings, now)) this.owed = 1
    return this.owed
  }

  /** Whether a lease that has come free is owed; it is paid then. */
  pay(holdings: Holdings, now: number): boolean {
    if (this.owes(holdings, now) === 0) return false
    this.owed--
    return true
  }

  /** @returns ms for which nothing is asked for */
  yieldNow(now: number): number {
    this.yieldsUntil = now + yieldMs
    return yieldMs
  }

  yielding(now: number): boolean {
    return now < this.yieldsUntil
  }

  /** Whether the others are to be told if `wanted` leases are not to be had. */
  mayTell(wanted: number, now: number): boolean {
    return wanted > this.missing || now - this.toldAt >= tellEveryMs
  }

  answered(told: boolean, missing: number, granted: number, now: number): void {
    if (told && missing > 0) this.toldAt = now
    this.missing = told ? missing : Math.max(0, this.missing - granted)
  }

  /** This worker got a lease where it had none. */
  turnBegins(now: number): void {
    this.claims.lane.turnBegins(now)
    this.claims.total.turnBegins(now)
  }

  private turnIsOver(holdings: Holdings, now: number): boolean {
    const { lane, total } = this.claims
    if (lane.turnIsOver(holdings, now)) return true
    return holdings.total > 0 && total.turnIsOver({ ...holdings, limit: holdings.total }, now)
  }
}
