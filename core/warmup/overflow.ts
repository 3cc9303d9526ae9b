// What to do with a message for a source that is being warmed up: use its allowance, go out by a warm source of the
// pool, or wait. Nothing is ever pushed onto a source beyond its allowance: where no warm source is open, waiting is
// all that is left.

import { takeToken, type Pace } from '../shaping/pace'
import { allowanceOfStream, allowanceOn, nextAllowance, paceOfAllowance } from './allowance'
import type { WarmupPlan } from './plan'
import type { WarmupState } from './state'

export interface WarmupQuestion {
  readonly state: WarmupState
  readonly plan: WarmupPlan
  /** Messages the warm-up has let go today. */
  readonly used: number
  /** Of the pace, ms since 1970; 0 at first. */
  readonly due: number
  /** ms since 1970 */
  readonly now: number
  /** Rank of the stream, 0 = best liked. */
  readonly rank: number
  readonly overflow: 'pool' | 'wait'
  /** Sources of the pool that are warm and open for this provider. */
  readonly warm: readonly string[]
}

export type WarmupAnswer =
  /** Send by it, if the counter of the day is still below `limit` and the pace lets it: both are taken in one step. */
  | { readonly kind: 'use'; readonly limit: number; readonly pace: Pace; readonly due: number }
  /** The source is warm: no allowance. */
  | { readonly kind: 'warm' }
  /** Choose among these instead. */
  | { readonly kind: 'overflow'; readonly sources: readonly string[] }
  /** Look again at `until`, ms since 1970. */
  | { readonly kind: 'wait'; readonly until: number }

export const askWarmup = ({ state, plan, used, due, now, rank, overflow, warm }: WarmupQuestion): WarmupAnswer => {
  const allowance = allowanceOn(state, plan, now)
  if (allowance === undefined) return { kind: 'warm' }
  const limit = allowanceOfStream(allowance, rank, now)
  const pace = paceOfAllowance(allowance, plan)
  const token = takeToken(due, pace, now)
  if (used < limit && token.taken) return { kind: 'use', limit, pace, due: token.due }
  if (overflow === 'pool' && warm.length > 0) return { kind: 'overflow', sources: warm }
  const paced = token.taken ? now : now + Math.ceil(token.wait_ms)
  return { kind: 'wait', until: Math.max(paced, nextAllowance(allowance, rank, used, now)) }
}
