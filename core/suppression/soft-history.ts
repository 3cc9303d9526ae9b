// A recipient's soft failures as the policy wants them: how many other messages failed so, and since when, after the
// last delivery to it. Several attempts of one message are one failure.

import type { SoftHistory } from './policy'

export interface SoftFailure {
  /** ms since 1970 */
  readonly at: number
  readonly message_id: string
}

/**
 * @param failures of one recipient and class, in any order, the one at hand included or not
 * @param atHand the failure that is decided on
 * @param deliveredAt ms since 1970 of the last delivery before it; 0 = none
 */
export const softHistory = (
  failures: readonly SoftFailure[],
  atHand: SoftFailure,
  deliveredAt: number,
): SoftHistory => {
  const earlier = failures.filter(({ at }) => at > deliveredAt && at <= atHand.at)
  const others = new Set(earlier.map(({ message_id }) => message_id))
  others.delete(atHand.message_id)
  return { count: others.size, first: earlier.reduce((first, { at }) => Math.min(first, at), atHand.at) }
}
