// Who decides when a mail that was refused is tried again, and which mails have expired. Asked by the guard `retry`
// for what is about to be deferred or bounced; without that guard, and without somebody who decides, and where the
// decision fails, it is Haraka's own schedule.

import { messageOf } from '@sluice/core/errors'

import type { HMail, Refusal, RetryPlan } from '../contract'
import type { Attempts } from './attempts'

export type Decide = (refusal: Refusal) => RetryPlan | undefined

export class Retries {
  private decide: Decide | undefined
  private readonly expired = new WeakSet<HMail>()
  /** The guard stands: what is decided is done. */
  enabled = false

  constructor(
    private readonly attempts: Attempts,
    private readonly complain: (text: string) => void,
  ) {}

  use(decide: Decide): void {
    this.decide = decide
  }

  planOf(hmail: HMail, kind: Refusal['kind'], recipients: Refusal['recipients']): RetryPlan | undefined {
    if (!this.enabled || !this.decide || recipients.length === 0) return undefined
    const attempt = this.attempts.of(hmail)
    if (!attempt) return undefined
    try {
      return this.decide({ hmail, attempt, kind, recipients })
    } catch (thrown) {
      this.complain(`retry of ${hmail.filename}, Haraka's schedule holds: ${messageOf(thrown)}`)
      return undefined
    }
  }

  /** From here on the bounce of this mail means that its time is over. */
  expire(hmail: HMail): void {
    this.expired.add(hmail)
  }

  hasExpired(hmail: HMail): boolean {
    return this.expired.has(hmail)
  }
}
