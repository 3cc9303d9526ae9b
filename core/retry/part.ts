// One decision for recipients who share a queue file, from a decision for each: nobody is asked sooner than allowed, so
// the most patient holds; the part moves at once only where everybody may; nobody expires while another is still tried.

import type { RetryDecision } from './retry'

/** @param decisions at least one */
export const decideForAll = (decisions: readonly RetryDecision[]): RetryDecision => {
  const moves = decisions.filter((one) => one.kind === 'move')
  const [move] = moves
  if (move && moves.length === decisions.length) return move
  const retries = decisions.filter((one) => one.kind === 'retry')
  if (retries.length > 0) {
    const patient = retries.reduce((latest, one) => (one.at > latest.at ? one : latest))
    const only = retries.find((one) => one.only !== undefined)?.only
    return { kind: 'retry', at: patient.at, why: patient.why, ...(only === undefined ? {} : { only }) }
  }
  if (decisions.some((one) => one.kind === 'fail')) return { kind: 'fail' }
  return move ?? { kind: 'expire' }
}
