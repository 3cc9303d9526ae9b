// What operators add to the routing document: overrides and suspensions. Pure edits of the two lists; a term replaces
// the one before it with the same target, lapsed ones are dropped whenever something is published.

import type { Override, RoutingDocument, Suspension } from './table'

export type Terms = Pick<RoutingDocument, 'overrides' | 'suspensions'>

/** What a term is about; what is absent means every one. */
export interface Target {
  readonly pool?: string | undefined
  readonly provider?: string | undefined
  readonly source?: string | undefined
}

const sameTarget = (a: Target, b: Target): boolean =>
  a.source === b.source && a.provider === b.provider && a.pool === b.pool

export const withOverride = (terms: Terms, override: Override): Terms => ({
  ...terms,
  overrides: [...terms.overrides.filter((one) => !sameTarget(one, override)), override],
})

/** The terms without the override of that id, and the override; undefined where there is none. */
export const withoutOverride = (terms: Terms, id: string): { terms: Terms; withdrawn: Override } | undefined => {
  const withdrawn = terms.overrides.find((one) => one.id === id)
  return withdrawn && { terms: { ...terms, overrides: terms.overrides.filter((one) => one !== withdrawn) }, withdrawn }
}

export const withSuspension = (terms: Terms, suspension: Suspension): Terms => ({
  ...terms,
  suspensions: [...terms.suspensions.filter((one) => !sameTarget(one, suspension)), suspension],
})

/**
 * The terms without the suspensions of that source and pool: of one provider only, or where `provider` is undefined of
 * all of them. Undefined where there is nothing to lift.
 */
export const withoutSuspension = (
  terms: Terms,
  { source, pool, provider }: Target,
): { terms: Terms; lifted: readonly Suspension[] } | undefined => {
  const concerned = (one: Suspension): boolean =>
    one.source === source && one.pool === pool && (provider === undefined || one.provider === provider)
  const lifted = terms.suspensions.filter(concerned)
  if (lifted.length === 0) return undefined
  return { terms: { ...terms, suspensions: terms.suspensions.filter((one) => !concerned(one)) }, lifted }
}

/** The terms that have not lapsed at `now` (ms since 1970). */
export const standing = ({ overrides, suspensions }: Terms, now: number): Terms => {
  const stands = ({ until }: { readonly until?: number | undefined }): boolean => until === undefined || until > now
  return { overrides: overrides.filter(stands), suspensions: suspensions.filter(stands) }
}

export const anyLapsed = (terms: Terms, now: number): boolean => {
  const left = standing(terms, now)
  return left.overrides.length < terms.overrides.length || left.suspensions.length < terms.suspensions.length
}
