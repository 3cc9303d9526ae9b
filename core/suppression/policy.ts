// When an outcome suppresses a recipient: hard bounces, complaints and unsubscribes at once, soft ones after repeats
// over days. Nothing that is not verified suppresses anybody.

import type { BounceClass } from '../bounce/verdict'
import type { Identification, OutcomeKind } from '../outcome/record'
import type { SuppressionReason } from './entry'

/** How a report must have been led back to its message to count: by something that carries our signature. */
export const verifiedBy: readonly Identification[] = ['header_token', 'return_path', 'unsubscribe_link']

/** What is known of an outcome when suppression is decided. */
export interface Occasion {
  readonly kind: OutcomeKind
  readonly class: BounceClass
  readonly hard: boolean
  /** Seen by ourselves in SMTP, or told by a report that carried our signature. */
  readonly verified: boolean
  /** ms since 1970 */
  readonly at: number
}

/** Earlier soft failures of the recipient since its last delivery. */
export interface SoftHistory {
  readonly count: number
  /** ms since 1970 of the first of them */
  readonly first: number
}

export interface SoftRule {
  /** Failures needed, the one at hand included. */
  readonly count: number
  /** Days that must lie between the first and the one at hand. */
  readonly days: number
  /** Days the suppression lasts. */
  readonly hold_days: number
}

export type SoftRules = Partial<Record<BounceClass, SoftRule>>

/** A mailbox that stays full for two weeks is as good as gone, but may come back. */
export const shippedSoftRules: SoftRules = {
  mailbox_full: { count: 3, days: 14, hold_days: 90 },
  inactive_mailbox: { count: 2, days: 3, hold_days: 365 },
}

export interface SuppressionDecision {
  readonly reason: Exclude<SuppressionReason, 'operator' | 'released'>
  /** ms since 1970; absent = for good */
  readonly until?: number
}

const day = 86_400_000

export const decideSuppression = (
  occasion: Occasion,
  history: SoftHistory,
  rules: SoftRules = shippedSoftRules,
): SuppressionDecision | undefined => {
  if (!occasion.verified) return undefined
  switch (occasion.kind) {
    case 'complained':
      return { reason: 'complaint' }
    case 'unsubscribed':
      return { reason: 'unsubscribe' }
    case 'bounced':
    case 'oob_bounced':
      return occasion.hard ? { reason: 'hard_bounce' } : softDecision(occasion, history, rules)
    case 'deferred':
    case 'expired':
      return softDecision(occasion, history, rules)
    default:
      return undefined
  }
}

const softDecision = (occasion: Occasion, history: SoftHistory, rules: SoftRules): SuppressionDecision | undefined => {
  const rule = rules[occasion.class]
  if (!rule || history.count + 1 < rule.count || occasion.at - history.first < rule.days * day) return undefined
  return { reason: 'soft_bounces', until: occasion.at + rule.hold_days * day }
}
