// Parked mail gets old too: one timer for the moment at which the first of those that wait expires, then one look at
// all of them, at most once a minute. A mail that comes out of the queue, however old, gets its attempt: only waiting
// ends here.

import type { HMail, NoRoute } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../candidate'
import type { Policy } from '../policy'
import { Turn } from '../turn'
import { timeIsOver } from './time-is-over'

export interface AgesParts {
  readonly policy: () => Policy | undefined
  /** Takes the parked mails out that `isOver` names; it is asked for everybody that is parked. */
  readonly takeParked: (isOver: (candidate: Candidate) => boolean) => readonly Candidate[]
  /** Puts a mail back into Haraka's delivery queue. */
  readonly wake: (hmail: HMail) => void
  /** ms since 1970 */
  readonly now: () => number
}

const betweenLooksMs = 60_000

export class Ages {
  private readonly over = new WeakSet<HMail>()
  private lookedAt = -Infinity
  private readonly turn: Turn

  constructor(private readonly parts: AgesParts) {
    this.turn = new Turn(parts.now, () => this.look())
  }

  stop(): void {
    this.turn.cancel()
  }

  /** A mail begins to wait. */
  waits(candidate: Candidate): void {
    this.expectAt(this.expiryOf(candidate))
  }

  /** Why a mail that comes out of the queue goes nowhere: it has waited too long. */
  whyNot(hmail: HMail): NoRoute | undefined {
    return this.over.has(hmail) ? timeIsOver : undefined
  }

  private look(): void {
    const now = this.parts.now()
    this.lookedAt = now
    let next = Infinity
    const taken = this.parts.takeParked((candidate) => {
      const expiry = this.expiryOf(candidate)
      if (expiry > now) next = Math.min(next, expiry)
      return expiry <= now
    })
    for (const { hmail } of taken) {
      this.over.add(hmail)
      this.parts.wake(hmail)
    }
    this.expectAt(next)
  }

  private expectAt(expiry: number): void {
    const at = Math.max(expiry, this.lookedAt + betweenLooksMs)
    if (at < this.turn.at) this.turn.arm(at)
  }

  /** ms since 1970 */
  private expiryOf({ hmail, stream, destination }: Candidate): number {
    const policy = this.parts.policy()
    if (!policy || !destination) return Infinity
    const { provider, site } = destination
    // Whichever source it waits for: it may get another one.
    const { max_age: ofProvider } = policy.laneLimits('', provider, site).retry
    return hmail.todo.queue_time + Math.min(ofProvider, policy.streamShaping(stream)?.max_age ?? Infinity)
  }
}
