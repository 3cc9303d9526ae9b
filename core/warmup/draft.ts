// A register of warm-ups while it is edited: warm-ups by name, the plans in use, and notes of what was changed. What
// comes out is a new register, or the one it was made from where nothing has changed.

import { dailyAllowance } from './allowance'
import type { Warmup, WarmupDocument } from './document'
import type { WarmupPlan } from './plan'
import type { DayRecord, WarmupEvent } from './state'

export type Register = Pick<WarmupDocument, 'plans' | 'warmups'>

/** One event with everything that explains it. */
export interface WarmupNote {
  readonly event: WarmupEvent
  /** As it was afterwards. */
  readonly warmup: Warmup
  /** Messages a day before and after; Infinity = warm. */
  readonly allowance: { readonly from: number; readonly to: number }
  /** What the day brought, where a day was closed. */
  readonly record?: DayRecord
}

export interface Edited {
  readonly register: Register
  readonly notes: readonly WarmupNote[]
}

type Name = Pick<Warmup, 'source' | 'provider'>

const keyOf = ({ source, provider }: Name): string => JSON.stringify([source, provider])

export class Draft {
  private readonly warmups: Map<string, Warmup>
  private plans: Register['plans']
  private readonly notes: WarmupNote[] = []
  private changed = false

  constructor(private readonly register: Register) {
    this.warmups = new Map(register.warmups.map((one) => [keyOf(one), one]))
    this.plans = register.plans
  }

  get(name: Name): Warmup | undefined {
    return this.warmups.get(keyOf(name))
  }

  plan(warmup: Warmup): WarmupPlan | undefined {
    return this.plans[warmup.state.plan]
  }

  /** The plan as it reads now. */
  use(plan: WarmupPlan): void {
    const before = this.plans[plan.id]
    if (before && wording(before) === wording(plan)) return
    this.plans = { ...this.plans, [plan.id]: plan }
    this.changed = true
  }

  /** Messages of a whole day; Infinity = warm. */
  allowance(warmup: Warmup): number {
    const plan = this.plan(warmup)
    return (plan && dailyAllowance(warmup.state, plan)) ?? Infinity
  }

  put(warmup: Warmup, event?: WarmupEvent, record?: DayRecord): void {
    const before = this.get(warmup)
    this.warmups.set(keyOf(warmup), warmup)
    this.changed = true
    if (!event) return
    const to = this.allowance(warmup)
    const from = before ? this.allowance(before) : to
    this.notes.push({ event, warmup, allowance: { from, to }, ...(record && { record }) })
  }

  edited(): Edited {
    if (!this.changed) return { register: this.register, notes: [] }
    const warmups = [...this.warmups.values()].toSorted((a, b) => compare(keyOf(a), keyOf(b)))
    return { register: { plans: this.plans, warmups }, notes: this.notes }
  }
}

/** A plan as text, whatever the order of its keys: one that was published and read back is the same plan. */
const wording = (plan: WarmupPlan): string =>
  JSON.stringify(plan, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => compare(a, b)))
      : value,
  )

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
