// The circuit breakers of all relays of this worker. A relay that is broken is closed for the choice; when its
// back-off has passed it is open for one mail, the probe.

import { admits, fail, isBroken, opensAt, probe, soundBreaker, type Breaker } from '@sluice/core/admission/breaker'

import type { Candidate } from '../candidate'
import { nothingClosed, type Closure } from '../closure'

export class Breakers implements Closure {
  readonly name = 'relay_broken'
  private readonly broken = new Map<string, Breaker>()

  /** Relays no mail may be sent to at `now` (ms since 1970). */
  closed(_candidate: Candidate, now: number): ReadonlySet<string> {
    if (this.broken.size === 0) return nothingClosed
    const closed = new Set<string>()
    for (const [source, breaker] of this.broken) if (!admits(breaker, now)) closed.add(source)
    return closed
  }

  /** A mail has been given this source. */
  chosen(source: string, _candidate: Candidate, now: number): void {
    const breaker = this.broken.get(source)
    if (breaker) this.broken.set(source, probe(breaker, now))
  }

  /** The relay did not take the connection or the credentials. Says whether it was sound until now. */
  failed(source: string, now: number, dice: number): boolean {
    const before = this.broken.get(source) ?? soundBreaker
    this.broken.set(source, fail(before, now, dice))
    return !isBroken(before)
  }

  /** The relay talked to us. Says whether it was broken until now. */
  worked(source: string): boolean {
    return this.broken.delete(source)
  }

  /** ms since 1970 at which the next relay is open for a probe; Infinity where none will be by time alone. */
  opensAt(_candidate: Candidate, now: number): number {
    let soonest = Infinity
    for (const breaker of this.broken.values()) soonest = Math.min(soonest, opensAt(breaker, now))
    return soonest
  }

  /** Forgets relays that are no longer configured. */
  keep(sources: ReadonlySet<string>): void {
    for (const source of this.broken.keys()) if (!sources.has(source)) this.broken.delete(source)
  }
}
