// Admission while Redis is away: this worker alone, by its share of the limits, with the model that the script keeps
// for all. It begins as if everything had just been used, because what the others and this one sent a moment ago is
// not known here, and forgets everything when Redis is back.

import { admit, type AdmissionAnswer, type AdmissionRules } from '@sluice/core/lane/admission'
import { minute } from '@sluice/core/shaping/rate'

import type { LaneName } from './ruling'

interface Kept {
  readonly lane: LaneName
  dues: Record<string, number>
  warmup: { readonly day: number; readonly used: number }
}

export interface LocalOrder {
  readonly lane: LaneName
  readonly rules: AdmissionRules
  readonly ids: readonly string[]
  readonly messages: number
  /** Leases this worker holds in the lane, and in all lanes of the provider. */
  readonly held: Iterable<string>
  readonly heldTotal: Iterable<string>
}

/** A wait that is over when nothing else has happened; leases here do not expire by themselves. */
const heldForEver = Number.MAX_SAFE_INTEGER

export class LocalAdmission {
  private readonly lanes = new Map<string, Kept>()
  private readonly totals = new Map<string, Record<string, number>>()

  constructor(private readonly now: () => number) {}

  admit({ lane, rules, ids, messages, held, heldTotal }: LocalOrder): AdmissionAnswer {
    const now = this.now()
    const kept = this.lanes.get(lane.key) ?? { lane, dues: {}, warmup: { day: 0, used: 0 } }
    const total = this.totals.get(lane.provider) ?? {}
    const known = { ...kept.dues, ...total }
    const dues = Object.fromEntries(
      rules.paces.map(({ name, interval }) => [name, known[name] ?? now + Math.min(interval, minute)]),
    )
    const state = { lane: expiries(held), total: expiries(heldTotal), dues, warmup: kept.warmup }
    const answer = admit(state, rules, { now, ttl: heldForEver, ids, messages })
    const after = Object.entries(answer.state.dues)
    const ofLane = after.filter(([name]) => name.startsWith('lane:'))
    this.lanes.set(lane.key, {
      lane,
      dues: { ...kept.dues, ...Object.fromEntries(ofLane) },
      warmup: answer.state.warmup,
    })
    const ofTotal = after.filter(([name]) => name.startsWith('total:'))
    if (ofTotal.length > 0) this.totals.set(lane.provider, { ...total, ...Object.fromEntries(ofTotal) })
    return answer
  }

  /** What was taken of each day's warm-up allowance. */
  *warmed(): Iterable<{ readonly lane: LaneName; readonly day: number; readonly used: number }> {
    for (const { lane, warmup } of this.lanes.values()) if (warmup.used > 0) yield { lane, ...warmup }
  }

  clear(): void {
    this.lanes.clear()
    this.totals.clear()
  }
}

const expiries = (ids: Iterable<string>): Record<string, number> =>
  Object.fromEntries([...ids].map((id) => [id, heldForEver]))
