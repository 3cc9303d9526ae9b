// What the last refusal of a mail means for its next source: only the one that was greylisted, or none of those that
// were blocked. It holds for a while and not for ever, and it is kept in memory: a queue file is not rewritten when its
// mail is deferred, so after a restart the choice is free.

import type { HMail } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../candidate'
import { nothingClosed, type Closure } from '../closure'

interface Bond {
  readonly kind: 'only' | 'not'
  /** As a word, the same for all mails that are bound alike. */
  readonly word: string
  readonly closed: ReadonlySet<string>
  /** ms since 1970; then every source may take it. */
  readonly until: number
}

export class Bonds implements Closure {
  readonly name = 'retry'
  private readonly bonds = new WeakMap<HMail, Bond>()

  /** Only `source` may take it; `others` are all the rest. */
  keepTo(hmail: HMail, source: string, others: ReadonlySet<string>, until: number): void {
    this.bonds.set(hmail, { kind: 'only', word: `only ${source}`, closed: others, until })
  }

  /** None of `sources` may take it. */
  keepFrom(hmail: HMail, sources: ReadonlySet<string>, until: number): void {
    this.bonds.set(hmail, { kind: 'not', word: `not ${[...sources].sort().join(' ')}`, closed: sources, until })
  }

  release(hmail: HMail): void {
    this.bonds.delete(hmail)
  }

  /** Sources that were blocked for this mail; undefined where none was. */
  blockedFor(hmail: HMail, now: number): ReadonlySet<string> | undefined {
    const bond = this.bonds.get(hmail)
    return bond?.kind === 'not' && now < bond.until ? bond.closed : undefined
  }

  wordOf(hmail: HMail): string {
    return this.bonds.get(hmail)?.word ?? ''
  }

  /** Nothing for a mail that an operator has moved: his word counts. */
  closed({ hmail, moved }: Candidate, now: number): ReadonlySet<string> {
    if (moved) return nothingClosed
    const bond = this.bonds.get(hmail)
    return bond && now < bond.until ? bond.closed : nothingClosed
  }

  opensAt({ hmail }: Candidate, now: number): number {
    const { until = 0 } = this.bonds.get(hmail) ?? {}
    return now < until ? until : Infinity
  }
}
