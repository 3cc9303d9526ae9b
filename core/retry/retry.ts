// When and how a deferred recipient is tried again, or that it is not.
//
// The provider's "try again in N" wins, within bounds; else the schedule of the class, else the provider's schedule.
// Dice spread the waits, only ever upward: nobody comes back earlier than asked. Greylisting keeps the same source. A
// block that is the address's fault may go out by another source of the pool at once, where the stream allows it;
// content and identity blame never change the source. Mail that is too old expires.

import type { Verdict } from '../bounce/verdict'
import type { RetryLimits } from '../shaping/limits'

export interface RetryQuestion {
  readonly verdict: Verdict
  /** Number of the attempt that failed, from 1. */
  readonly attempt: number
  /** When the message was accepted, ms since 1970. */
  readonly queued: number
  /** ms since 1970 */
  readonly now: number
  /** Uniform in [0, 1). */
  readonly dice: number
  readonly limits: RetryLimits
  /** Age at which the stream's mail expires, ms; the shorter of this and the provider's holds. */
  readonly max_age?: number | undefined
  readonly route: {
    readonly source: string
    /** Sources of the pool that are open for this provider and have not been blocked for this message. */
    readonly others: readonly string[]
    /** The stream allows it. */
    readonly move_on_block: boolean
  }
}

export type RetryDecision =
  | {
      readonly kind: 'retry'
      /** ms since 1970 */
      readonly at: number
      readonly why: 'provider' | 'class' | 'schedule' | 'last_chance'
      /** Only this source may take it. */
      readonly only?: string
    }
  /** Now, by another source; `not` has been blocked. */
  | { readonly kind: 'move'; readonly at: number; readonly not: string }
  | { readonly kind: 'expire' }
  /** The recipient is refused for good. */
  | { readonly kind: 'fail' }

export const decideRetry = (question: RetryQuestion): RetryDecision => {
  const { verdict, now, queued, limits, route } = question
  const expires = queued + Math.min(limits.max_age, question.max_age ?? Infinity)
  if (mayMove(question) && now < expires) return { kind: 'move', at: now, not: route.source }
  if (verdict.permanent) return { kind: 'fail' }
  if (now >= expires) return { kind: 'expire' }

  const { wait, why } = waitOf(question)
  const only = verdict.class === 'greylisted' ? { only: route.source } : {}
  if (now + wait < expires) return { kind: 'retry', at: now + wait, why, ...only }
  // One last chance at the very end, unless that would be as good as now.
  if (expires - now < limits.min_wait) return { kind: 'expire' }
  return { kind: 'retry', at: expires - 1, why: 'last_chance', ...only }
}

/** Only the address, or its netblock, is to blame, and somebody else can carry it. */
const mayMove = ({ verdict, route }: RetryQuestion): boolean =>
  route.move_on_block &&
  route.others.length > 0 &&
  (verdict.blame === 'ip' || verdict.blame === 'netblock') &&
  (verdict.action === 'close_lane' || verdict.class === 'ip_blocked')

const waitOf = ({ verdict, attempt, dice, limits }: RetryQuestion) => {
  const own = limits.by_class[verdict.class]
  const step = stepOf(own ?? limits.schedule, attempt)
  if (verdict.wait_s === undefined) {
    return {
      wait: Math.round(step * (1 + limits.jitter * dice)),
      why: own ? ('class' as const) : ('schedule' as const),
    }
  }
  // Who says "in a minute" every time is not asked every minute for days: patience grows with the schedule.
  const least = Math.max(limits.min_wait, attempt > 3 ? step / 4 : 0)
  const stated = Math.min(Math.max(limits.max_wait, least), Math.max(least, verdict.wait_s * 1000))
  // Spread a little, so that all who were told the same do not come back together.
  return { wait: Math.round(stated * (1 + Math.min(limits.jitter, 0.05) * dice)), why: 'provider' as const }
}

const stepOf = (schedule: readonly number[], attempt: number): number =>
  schedule[Math.min(Math.max(1, attempt), schedule.length) - 1] ?? 0
