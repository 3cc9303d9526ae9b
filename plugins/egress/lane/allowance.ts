// Admission in a lane that may be warmed up. The day's allowance is counted by the admission script, with everything
// else; where several lanes share one, its count lies elsewhere in a Redis Cluster and is taken first, and what the
// lane then refuses is given back. A message that was admitted and never sent is given back too.

import { nothingAdmitted, type Admission, type Answer, type Order } from './admission'
import type { LaneName, WarmupRule, Warmups } from './ruling'
import type { Admitted } from './waiting'

const dayMs = 86_400_000

export class Allowance {
  constructor(
    private readonly lane: LaneName,
    private readonly admission: Admission,
    private readonly warmups: Warmups | undefined,
    /** ms since 1970 */
    private readonly now: () => number,
  ) {}

  async admit(order: Order, rule: WarmupRule | undefined): Promise<Answer> {
    const wanted = order.messages + order.ids.length
    const shared = rule && this.isShared(rule) && wanted > 0
    if (!shared || !this.warmups) return this.untilMore(await this.admission.admit(order), rule)
    const { taken, wait_ms } = await this.warmups.take(this.lane, rule, wanted)
    if (taken < wanted) {
      this.warmups.giveBack(this.lane, rule, taken)
      return { ...nothingAdmitted, waitMs: Math.max(1, wait_ms) }
    }
    const answer = await this.admission.admit(order)
    this.warmups.giveBack(this.lane, rule, wanted - answer.messages - answer.granted)
    return answer
  }

  /** What is known of the count now; mails may be taken out of the lane meanwhile, to go another way. */
  tell(rule: WarmupRule | undefined, { used, pacingMs }: Answer): void {
    if (rule && !this.isShared(rule)) this.warmups?.counted(this.lane, { day: rule.day, used, wait_ms: pacingMs })
  }

  /** @returns the day whose count the script is to correct */
  unsent(admitted: Admitted | undefined): number | undefined {
    const rule = admitted?.warmup
    if (!rule) return undefined
    if (!this.isShared(rule)) return rule.day
    this.warmups?.giveBack(this.lane, rule, 1)
    return undefined
  }

  private isShared({ counter }: WarmupRule): boolean {
    return counter !== this.lane.provider
  }

  /** Where the day's allowance is used up, only time gives more. */
  private untilMore(answer: Answer, rule: WarmupRule | undefined): Answer {
    if (!rule || this.isShared(rule) || answer.used < rule.limit || answer.waitMs !== Infinity) return answer
    const at = rule.next?.(answer.used) ?? (rule.day + 1) * dayMs
    return { ...answer, waitMs: Math.max(1, at - this.now()) }
  }
}
