// What is counted: how often a source was let in, slowed down or turned away by a provider, per stream, each outcome
// weighing less the older it is. Only refusals aimed at the source itself are in it: a full mailbox, a bad link or a
// receiver's own trouble say nothing about the address the mail came from, and are left out on both sides.

import type { Blame, BounceClass } from '../bounce/verdict'
import type { OutcomeKind } from '../outcome/record'

export interface Tally {
  readonly source: string
  readonly provider: string
  readonly stream: string
  /** Decayed counts, >= 0 and finite. */
  readonly delivered: number
  readonly throttled: number
  readonly blocked: number
}

/** Final outcomes of an attempt, one per recipient: `tried` would count the same refusal once per MX host. */
export const countedKinds = ['delivered', 'deferred', 'bounced', 'expired'] as const satisfies readonly OutcomeKind[]

/** Blame that moves a source's weight. */
export const sourceBlames = ['ip', 'netblock'] as const satisfies readonly Blame[]

/** Classes that, where nobody was named, are in doubt the source's own. */
export const doubtfulClasses = ['rate_limited', 'ip_blocked'] as const satisfies readonly BounceClass[]

/** Classes that turn a source away; every other refusal of a source slows it down. */
export const blockClasses = ['ip_blocked'] as const satisfies readonly BounceClass[]

export type Counted = 'delivered' | 'throttled' | 'blocked'

const includes = (list: readonly string[], one: string): boolean => list.includes(one)

/**
 * How one outcome counts for the source it left by; undefined where it says nothing about it. The SQL that counts
 * (sidecar/score/tally.sql) takes the same lists as parameters and is tested against this function.
 */
export const countFor = (kind: OutcomeKind, bounceClass: BounceClass, blame: Blame): Counted | undefined => {
  if (kind === 'delivered') return 'delivered'
  if (!includes(countedKinds, kind)) return undefined
  const blamed = includes(sourceBlames, blame) || (blame === 'unknown' && includes(doubtfulClasses, bounceClass))
  if (!blamed) return undefined
  return includes(blockClasses, bounceClass) || kind === 'bounced' ? 'blocked' : 'throttled'
}
