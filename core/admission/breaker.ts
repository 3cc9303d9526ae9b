// The circuit breaker of a relay. Closed circuit: mail flows. A failure to connect, to secure or to log in opens it:
// nothing flows until a back-off has passed, then one message at a time goes as a probe; its success closes the
// circuit, its failure doubles the back-off. Immutable; time and dice are arguments.

export interface Breaker {
  /** Failures since the last success. */
  readonly failures: number
  /** ms since 1970 from which a probe may go; 0 = circuit closed */
  readonly retryAt: number
  /** ms since 1970 until which the probe under way keeps others out; 0 = none */
  readonly probedUntil: number
}

export const soundBreaker: Breaker = { failures: 0, retryAt: 0, probedUntil: 0 }

export interface BackOff {
  /** ms */
  readonly first: number
  readonly longest: number
  /** A probe that is never settled counts as lost after this; ms. */
  readonly probePatience: number
}

export const relayBackOff: BackOff = { first: 1000, longest: 300_000, probePatience: 60_000 }

export const isBroken = (breaker: Breaker): boolean => breaker.retryAt > 0

/** Whether a message may go now: always where the circuit is closed, one at a time after the back-off. */
export const admits = (breaker: Breaker, now: number): boolean =>
  !isBroken(breaker) || (now >= breaker.retryAt && now >= breaker.probedUntil)

/** When `admits` can next change from no to yes; Infinity where it is yes already. */
export const opensAt = (breaker: Breaker, now: number): number =>
  admits(breaker, now) ? Infinity : Math.max(breaker.retryAt, breaker.probedUntil)

/** A message goes. Changes nothing where the circuit is closed. */
export const probe = (breaker: Breaker, now: number, backOff = relayBackOff): Breaker =>
  isBroken(breaker) ? { ...breaker, probedUntil: now + backOff.probePatience } : breaker

/**
 * The relay failed. Failures of messages sent before the circuit opened do not lengthen the back-off.
 * @param dice uniform in [0, 1): spreads the workers' probes over a fifth of the back-off
 */
export const fail = (breaker: Breaker, now: number, dice: number, backOff = relayBackOff): Breaker => {
  if (isBroken(breaker) && now < breaker.retryAt) return breaker
  const failures = breaker.failures + 1
  const wait = Math.min(backOff.longest, backOff.first * 2 ** Math.min(failures - 1, 30))
  return { failures, retryAt: now + Math.round(wait * (1 + 0.2 * dice)), probedUntil: 0 }
}
