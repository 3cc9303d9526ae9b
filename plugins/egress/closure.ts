// Why sources are not to be had for a mail at the moment: a broken relay, a lane that a block has closed, an allowance
// used up, quiet hours, a retry that must keep its source. The choice leaves closed sources out; where none is left in
// any pool the mail waits, parked, until one may be open.

import type { HMail } from 'haraka-plugin-sluice-host'

import type { Candidate } from './candidate'

/** `all`: no source may take it. */
export type Closed = ReadonlySet<string> | 'all'

export interface Closure {
  /** One word for people who ask why a mail waits. */
  readonly name?: string
  /**
   * Sources closed to this mail now (ms since 1970). Its destination and stream are known. Called for every choice: it
   * must be cheap, and the set must not be changed afterwards.
   */
  closed(candidate: Candidate, now: number): Closed
  /** ms since 1970 at which `closed` can next become less by time alone; Infinity where it cannot. */
  opensAt(candidate: Candidate, now: number): number
  /** What binds this mail and not others like it, as a word; empty = nothing. Mails bound alike wait together. */
  wordOf?(hmail: HMail): string
  /** What holds this mail at the moment and not others like it, as a word; empty = nothing. They wait apart. */
  heldBy?(candidate: Candidate, now: number): string
  /** Whether a mail that was given this source may still leave by it; absent = it may. */
  stands?(source: string, candidate: Candidate, now: number): boolean
  /** The mail has been given this source. */
  chosen?(source: string, candidate: Candidate, now: number): void
}

export const nothingClosed: ReadonlySet<string> = new Set()

/** Everything that any of them closes. */
export const allClosed = (closures: readonly Closure[], candidate: Candidate, now: number): Closed => {
  let all = nothingClosed
  for (const closure of closures) {
    const closed = closure.closed(candidate, now)
    if (closed === 'all') return 'all'
    if (closed.size > 0) all = all.size > 0 ? new Set([...all, ...closed]) : closed
  }
  return all
}

/** When any of them may open something. */
export const nextOpening = (closures: readonly Closure[], candidate: Candidate, now: number): number =>
  closures.reduce((soonest, closure) => Math.min(soonest, closure.opensAt(candidate, now)), Infinity)
