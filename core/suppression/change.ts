// What becomes of the suppression list when something new is known: which entry stays, and where it holds.

import type { FeedbackConfig, FeedbackScope } from '../config/feedback'
import { streamScope, type Suppression, type SuppressionReason, type SuppressionScope } from './entry'

const forGood = Infinity

/**
 * Whether `next` takes the place of `known` (same recipient, same scope). An operator's word does, unless nothing would
 * change but the reason. Else the one that lasts longer stays, and of two that last as long the first, with its
 * evidence. What an operator has released is only suppressed again by something that happened later.
 * @param now ms since 1970
 */
export const supersedes = (next: Suppression, known: Suppression | undefined, now: number): boolean => {
  const until = known?.until ?? forGood
  const nextUntil = next.until ?? forGood
  if (!known || until <= now || next.reason === 'released') return true
  if (next.reason === 'operator') return known.reason === 'released' || nextUntil !== until
  return known.reason === 'released' ? next.since > known.since : nextUntil > until
}

/** Where a reason suppresses: as configured, or the next wider scope where the message names no tenant or stream. */
export const scopeOf = (
  config: FeedbackConfig['suppression']['scope'],
  reason: Exclude<SuppressionReason, 'operator' | 'released'>,
  tenant: string,
  stream: string,
): SuppressionScope => scopeAt(config[reason], tenant, stream)

const scopeAt = (wanted: FeedbackScope, tenant: string, stream: string): SuppressionScope => {
  if (wanted === 'stream' && stream) return streamScope(tenant, stream)
  if (wanted !== 'global' && tenant) return { kind: 'tenant', name: tenant }
  return { kind: 'global' }
}
