// Whether a recipient is suppressed, as one HMGET asks it: one bucket, one field for each scope that applies. The first
// value of an entry says enough; the rest of a long one is not read.

import { bucketOf, fieldOf, sayScope, suppressionReasons, type SuppressionReason, type SuppressionScope } from './entry'

/** What to ask Redis for. */
export interface SuppressionQuestion {
  readonly bucket: number
  /** 8 bytes each, as latin1. */
  readonly fields: readonly string[]
}

/** The suppression that holds for a recipient now. */
export interface Hold {
  readonly scope: SuppressionScope
  readonly reason: SuppressionReason
  /** ms since 1970, to the minute */
  readonly since: number
}

const minute = 60_000
const form = /^([0-9a-z]) ([0-9a-z]{1,8}) ([0-9a-z]{0,8}) /

/** @param name as `listedName` gives it */
export const questionFor = (name: string, scopes: readonly SuppressionScope[]): SuppressionQuestion => ({
  bucket: bucketOf(name),
  fields: scopes.map((scope) => fieldOf(name, scope)),
})

/**
 * The widest suppression that holds; undefined where none does: never listed, lapsed, or not an entry of ours.
 * @param values answers to the fields of the question, latin1, null = no such field
 * @param now ms since 1970
 */
export const holdOf = (
  scopes: readonly SuppressionScope[],
  values: readonly (string | null)[],
  now: number,
): Hold | undefined => {
  for (const [index, scope] of scopes.entries()) {
    const [, letter = '', since = '', until] = form.exec(values[index] ?? '') ?? []
    const reason = suppressionReasons[parseInt(letter, 36)]
    if (!reason || reason === 'released' || (until && parseInt(until, 36) * minute <= now)) continue
    return { scope, reason, since: parseInt(since, 36) * minute }
  }
  return undefined
}

/** For the log, the reply to the submitter, and the record. */
export const sayHold = ({ scope, reason, since }: Hold): string =>
  `${reason} since ${new Date(since).toISOString().slice(0, 16)}Z (${sayScope(scope)})`
