// Parked mails that were granted a lease and are on their way through Haraka's delivery queue again. A mail that does
// not come out of it (somebody deleted it, another plugin delays it) loses its lease after a while: nothing leaks.

import type { HMail, Lease } from 'haraka-plugin-sluice-host'

import type { Candidate } from './candidate'

export interface Grant {
  readonly candidate: Candidate
  readonly lease: Lease
  /** ms since 1970 */
  readonly at: number
}

const patienceMs = 60_000

export class Granted {
  private readonly grants = new Map<HMail, Grant>()
  private sweeper: NodeJS.Timeout | undefined

  constructor(
    private readonly now: () => number,
    private readonly giveBack: (lease: Lease) => void,
  ) {}

  start(): void {
    this.sweeper ??= setInterval(() => this.sweep(), patienceMs / 4).unref()
  }

  stop(): void {
    clearInterval(this.sweeper)
  }

  add(candidate: Candidate, lease: Lease): void {
    this.grants.set(candidate.hmail, { candidate, lease, at: this.now() })
  }

  take(hmail: HMail): Grant | undefined {
    const grant = this.grants.get(hmail)
    if (grant) this.grants.delete(hmail)
    return grant
  }

  private sweep(): void {
    const before = this.now() - patienceMs
    for (const [hmail, { at, lease }] of this.grants) {
      if (at > before) return // they are in the order of their time
      this.grants.delete(hmail)
      this.giveBack(lease)
    }
  }
}
