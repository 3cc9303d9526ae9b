// Records that were not written, counted by kind and said aloud: at the first one, then at most every ten seconds, and
// once when it is over.

import type { OutcomeKind } from '@sluice/core/outcome/record'

export interface LossLog {
  notice(text: string): void
  error(text: string): void
}

const everyMs = 10_000

export class Losses {
  /** Since the start of the process. */
  total = 0
  private readonly unsaid = new Map<OutcomeKind, number>()
  private saidAt = -Infinity
  private losing = false

  constructor(
    private readonly log: LossLog,
    private readonly now: () => number,
  ) {}

  /** @param why code and text */
  lost(kind: OutcomeKind, why: string): void {
    this.total++
    this.unsaid.set(kind, (this.unsaid.get(kind) ?? 0) + 1)
    this.losing = true
    if (this.now() - this.saidAt >= everyMs) this.say(why)
  }

  /** Records are written again. */
  over(): void {
    if (!this.losing) return
    this.losing = false
    this.log.notice(`outcome records are written again; ${this.total} were lost since the start`)
    this.unsaid.clear()
    this.saidAt = -Infinity
  }

  private say(why: string): void {
    const counts = [...this.unsaid].map(([kind, count]) => `${count} ${kind}`).join(', ')
    this.log.error(`${why}; outcome records lost: ${counts}; mail is not affected`)
    this.unsaid.clear()
    this.saidAt = this.now()
  }
}
