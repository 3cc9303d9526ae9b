// How a stream, a tenant or a domain that was held comes back: half-open, each worker lets as many mails of it go at a
// time as its gate allows, one at first. A mail whose end nobody tells gives its place up after a while: nothing leaks.

import type { HMail } from 'haraka-plugin-sluice-host'

/** Longer than an attempt takes as a rule. ms */
const patienceMs = 120_000

export class Probes {
  /** Scope key -> the mails that may go, each with the time (ms since 1970) at which its place is given up. */
  private readonly places = new Map<string, Map<HMail, number>>()

  /** Whether the mail may go: it has a place, or there is one left. */
  admits(scope: string, hmail: HMail, connections: number, now: number): boolean {
    const places = this.places.get(scope)
    if (!places) return true
    for (const [one, until] of places) if (until <= now) places.delete(one)
    return places.has(hmail) || places.size < connections
  }

  take(scope: string, hmail: HMail, now: number): void {
    const places = this.places.get(scope)
    if (places) places.set(hmail, now + patienceMs)
    else this.places.set(scope, new Map([[hmail, now + patienceMs]]))
  }

  /** The attempt is over. Says whether a place came free. */
  free(hmail: HMail): boolean {
    if (this.places.size === 0) return false
    let freed = false
    for (const [scope, places] of this.places) {
      if (places.delete(hmail)) freed = true
      if (places.size === 0) this.places.delete(scope)
    }
    return freed
  }

  /** ms since 1970 at which the first place is given up; Infinity where none is taken. */
  opensAt(scope: string): number {
    return Math.min(Infinity, ...(this.places.get(scope)?.values() ?? []))
  }
}
