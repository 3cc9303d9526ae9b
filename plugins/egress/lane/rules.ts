// What a lane goes by at a moment: the ruling in force, the allowance of the mail that is next, and the rules of
// admission they make. They are put together anew only where something of it has changed.

import { rulesOf, type AdmissionRules } from '@sluice/core/lane/admission'

import type { LaneName, Ruling, Rulings, WarmupRule, Warmups } from './ruling'

export interface Rule {
  readonly ruling: Ruling
  /** Undefined where the lane is warm, or nobody waits. */
  readonly warmup: WarmupRule | undefined
  /** Divided by the number of workers where each goes alone. */
  readonly rules: AdmissionRules
  readonly sharers: number
  /** Messages need tokens, so that not even an idle connection can be used without a question. */
  readonly metered: boolean
}

export class LaneRules {
  private known: Rule | undefined

  constructor(
    private readonly lane: LaneName,
    private readonly rulings: Rulings,
    private readonly warmups: Warmups | undefined,
    /** ms since 1970 */
    private readonly now: () => number,
  ) {}

  /** @param stream of the mail that is next; undefined = nobody waits */
  of(sharers: number, stream: string | undefined): Rule {
    const now = this.now()
    const ruling = this.rulings.rulingOf(this.lane, now)
    const warmup = stream === undefined ? undefined : this.warmups?.warmupOf(this.lane, stream, now)
    const { known } = this
    if (known && isSame(known, ruling, warmup, sharers)) return known
    const rules = this.divided({ ruling, warmup }, sharers)
    const metered = warmup !== undefined || rules.paces.some(({ unit }) => unit === 'message')
    return (this.known = { ruling, warmup, rules, sharers, metered })
  }

  divided({ ruling, warmup }: Pick<Rule, 'ruling' | 'warmup'>, sharers: number): AdmissionRules {
    const own = warmup?.counter === this.lane.provider ? warmup : undefined
    return rulesOf(ruling.limits, ruling.view, sharers, own)
  }
}

const isSame = (known: Rule, { limits, view }: Ruling, warmup: WarmupRule | undefined, sharers: number): boolean =>
  !known.warmup && !warmup && known.sharers === sharers && known.ruling.limits === limits && known.ruling.view === view
