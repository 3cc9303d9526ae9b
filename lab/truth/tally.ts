// Exact counts of facts by what a sender can compare: unit, provider, client address, stage, code, verdict, behaviour.

import type { Stage } from '../behaviour/behaviour'
import type { Fact, Verdict } from './event'

export interface TallyRow {
  readonly unit: 'recipient' | 'message' | 'refusal'
  readonly provider: string
  readonly client_ip: string
  readonly verdict: Verdict
  readonly stage: Stage
  readonly code: number
  readonly by: string
  count: number
}

export type TallyFilter = Partial<Omit<TallyRow, 'count'>>

export class Tally {
  private readonly rows = new Map<string, TallyRow>()

  add(fact: Fact): void {
    if (fact.kind === 'connection') return
    const { kind: unit, provider, client_ip, verdict, stage, code, by } = fact
    const key = `${unit}|${provider}|${client_ip}|${verdict}|${stage}|${code}|${by}`
    const row = this.rows.get(key)
    if (row) row.count++
    else this.rows.set(key, { unit, provider, client_ip, verdict, stage, code, by, count: 1 })
  }

  /** Rows in a stable order. */
  list(): TallyRow[] {
    return [...this.rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => ({ ...row }))
  }

  /** Sum of the rows that agree with the filter; recipients only unless it names another unit. */
  count(filter: TallyFilter = {}): number {
    const wanted = Object.entries({ unit: 'recipient', ...filter })
    return [...this.rows.values()]
      .filter((row) => wanted.every(([key, value]) => row[key as keyof TallyRow] === value))
      .reduce((sum, { count }) => sum + count, 0)
  }

  clear(): void {
    this.rows.clear()
  }
}
