// The circuit breaker of a lane: connections that fail without the receiver having said anything (refused, timed out,
// TLS or authentication failed). So many in a row open it; then it waits, longer each time and with some jitter, and
// lets one connection try. It says nothing about reputation and moves no mail.

import type { Reaction } from '../shaping/reaction'
import { greater } from './gate'

export interface Breaker {
  /** Last time it opened or was closed by a connection, ms since 1970. */
  readonly at: number
  /** Failures in a row. */
  readonly failures: number
  /** Openings in a row; not 0: one connection at a time. */
  readonly tries: number
  /** ms since 1970 */
  readonly until: number
}

export const closedBreaker: Breaker = { at: 0, failures: 0, tries: 0, until: 0 }

/** `dice` is uniform in [0, 1). Failures of attempts that began before it last opened count for nothing. */
export const connectFailed = (
  breaker: Breaker,
  { at, started, dice }: { readonly at: number; readonly started: number; readonly dice: number },
  reaction: Reaction,
): Breaker => {
  if (breaker.tries > 0 && started < breaker.at) return breaker
  const failures = breaker.failures + 1
  if (breaker.tries === 0 && failures < reaction.breaker_failures) return { ...breaker, failures }
  const tries = breaker.tries + 1
  const wait = Math.min(reaction.breaker_max, reaction.breaker_wait * 2 ** Math.min(tries - 1, 32))
  return { at, failures, tries, until: at + Math.round(wait * (1 + 0.2 * dice)) }
}

/** A connection was made and the receiver greeted us. */
export const connected = (breaker: Breaker, { at }: { readonly at: number }): Breaker =>
  breaker.failures === 0 && breaker.tries === 0 ? breaker : { ...closedBreaker, at }

export const joinBreakers = (a: Breaker, b: Breaker): Breaker =>
  greater(a, b, (one) => [one.at, one.until, one.tries, one.failures])
