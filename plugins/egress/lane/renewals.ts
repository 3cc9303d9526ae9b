// Receivers count a message when they hear MAIL. One that has been under way for longer than its tokens are good for
// (the connection took long to open, the mail waited in Haraka's own queue) takes new ones right before MAIL and waits
// for them, before all that wait in the lane; the old ones are lost. So a receiver never counts one too many, however
// late they come. A second MAIL of the same attempt, to another MX host, takes tokens of its own.

import { setTimeout as elapsed } from 'node:timers/promises'

import type { AdmissionRules } from '@sluice/core/lane/admission'

import type { Admission } from './admission'
import type { LaneName } from './ruling'
import type { Admitted } from './waiting'

/** ms; a wait is asked after again at least so often. */
const longestMs = 60_000

export class Renewals {
  /** Messages that wait for new tokens. */
  pending = 0

  constructor(
    private readonly lane: LaneName,
    private readonly admission: Admission,
    private readonly rulesFor: (sharers: number) => AdmissionRules,
  ) {}

  /** undefined where the tokens taken at admission are good. */
  due({ paces }: AdmissionRules, admitted: Admitted | undefined): Promise<void> | undefined {
    const messagePaces = paces.filter(({ unit }) => unit === 'message')
    if (messagePaces.length === 0) return undefined
    const age = admitted ? performance.now() - admitted.at : undefined
    const stale = messagePaces.filter(({ fresh_ms }) => age === undefined || age > fresh_ms)
    return stale.length === 0 ? undefined : this.renew(new Set(stale.map(({ name }) => name)))
  }

  private async renew(names: ReadonlySet<string>): Promise<void> {
    this.pending++
    try {
      for (;;) {
        const answer = await this.admission.admit({
          lane: this.lane,
          rules: (sharers) => this.tokensOnly(names, sharers),
          ids: [],
          messages: 1,
          accepted: 0,
          tell: false,
        })
        if (answer.messages === 1) return
        await elapsed(Math.min(longestMs, answer.waitMs), undefined, { ref: false })
      }
    } finally {
      this.pending--
    }
  }

  /** The connection is open: neither its lease nor a lane that has closed meanwhile is asked after. */
  private tokensOnly(names: ReadonlySet<string>, sharers: number): AdmissionRules {
    const paces = this.rulesFor(sharers).paces.filter(({ name }) => names.has(name))
    return { lane_cap: 1, total_cap: undefined, paces }
  }
}
