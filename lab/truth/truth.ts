// The truth: everything the receivers saw and said. Counts are exact for the whole run; the facts themselves are kept in
// memory up to a bound (oldest first out) and all of them in a file, if one was named.

import { AttendanceBook } from './attendance'
import type { Fact, NewFact, RecipientFact } from './event'
import type { FactFile } from './file'
import { Tally } from './tally'

const defaultKeep = 200_000

export class Truth {
  readonly tally = new Tally()
  readonly attendance = new AttendanceBook()
  private facts: Fact[] = []
  private head = 0
  private last = 0

  constructor(
    private readonly clock: () => number,
    readonly file?: FactFile,
    private readonly keep = defaultKeep,
  ) {}

  /** seq of the newest fact; 0 = none yet. */
  get newest(): number {
    return this.last
  }

  /** seq of the oldest fact still in memory; 0 = none. */
  get oldest(): number {
    return this.facts[this.head]?.seq ?? 0
  }

  record(fact: NewFact): void {
    // the spread of a union keeps each member's shape
    const numbered = { seq: ++this.last, at: this.clock(), ...fact } as Fact
    this.tally.add(numbered)
    this.file?.append(numbered)
    this.facts.push(numbered)
    if (this.facts.length - this.head > this.keep) this.head++
    if (this.head > 4096 && this.head * 2 > this.facts.length) {
      this.facts = this.facts.slice(this.head)
      this.head = 0
    }
  }

  /** Facts after a seq, oldest first, at most `limit`. */
  after(seq: number, limit = Infinity): Fact[] {
    const begin = this.head + Math.max(0, seq + 1 - this.oldest)
    return this.facts.slice(begin, begin + limit)
  }

  /** Facts about recipients that are still in memory. */
  recipients(): RecipientFact[] {
    return this.after(0).filter((fact) => fact.kind === 'recipient')
  }

  /** Forgets facts and counts; connections open now stay counted as open. */
  clear(): void {
    this.facts = []
    this.head = 0
    this.tally.clear()
    this.attendance.clear()
  }
}
