// Automatic actions as records: what was done, by which rule, to whom, why, on what evidence, until when; and how it is
// undone. One record stands for one measure as long as it lasts: new evidence extends it. No rule may close more than
// so many scopes within an hour: what is more is recorded as withheld, so that a bad rule is seen and stops nothing.

import { hour } from '../shaping/rate'
import type { LaneEvent } from './lane'
import type { Effect } from './react'
import { scopeKey, type Scope } from './scope'
import { joinHits, type Hits } from './trigger'

export const actionKinds = ['close', 'hold', 'narrow', 'slow', 'break', 'withheld'] as const
export type ActionKind = (typeof actionKinds)[number]

export interface LaneAction {
  readonly id: string
  readonly kind: ActionKind
  readonly rule: string
  readonly scope: Scope
  readonly reason: string
  /** Ids of outcomes, oldest first, at most 20. */
  readonly evidence: readonly string[]
  /** How often it was confirmed, the first time included. */
  readonly count: number
  /** ms since 1970 */
  readonly since: number
  /** ms since 1970; when it ends by itself (a closing is then half-open) */
  readonly until: number
  readonly undone?: { readonly at: number; readonly by: string; readonly reason: string }
}

const mostEvidence = 20

export const kindOfEffect = (effect: Effect): ActionKind => {
  switch (effect.kind) {
    case 'blocked':
      return effect.scope.kind === 'lane' || effect.scope.kind === 'netblock' ? 'close' : 'hold'
    case 'rate_refused':
      return 'slow'
    case 'connection_refused':
      return 'narrow'
    case 'connect_failed':
    case 'reconnect':
      return 'break'
  }
}

/** An id that all workers give to the same measure: rule, scope and the first outcome that led to it. */
export const actionId = (effect: Effect): string => `${effect.rule}/${effect.evidence[0] ?? scopeKey(effect.scope)}`

export const isLive = (action: LaneAction, now: number): boolean => action.undone === undefined && now < action.until

/** The live action of this kind and rule at the scope, confirmed; or a new one. */
export const recordAction = (
  live: LaneAction | undefined,
  effect: Effect,
  kind: ActionKind,
  at: number,
  until: number,
): LaneAction => {
  if (live && isLive(live, at) && live.kind === kind && live.rule === effect.rule) {
    const evidence = [...new Set([...live.evidence, ...effect.evidence])].slice(0, mostEvidence)
    return { ...live, evidence, count: live.count + 1, until: Math.max(live.until, until) }
  }
  const { rule, scope, reason } = effect
  const evidence = effect.evidence.slice(0, mostEvidence)
  return { id: actionId(effect), kind, rule, scope, reason, evidence, count: 1, since: at, until }
}

/** Undoing an action opens its scope at once, whatever else had narrowed or closed it, and forgets what it had counted. */
export const undoAction = (
  action: LaneAction,
  undone: NonNullable<LaneAction['undone']>,
): { readonly action: LaneAction; readonly event: LaneEvent } => ({
  action: { ...action, undone: action.undone ?? undone },
  event: { kind: 'cleared', at: undone.at },
})

/** Commutative, associative and idempotent for two records of the same id: the first undo and the latest end win. */
export const joinActions = (a: LaneAction, b: LaneAction): LaneAction => {
  const first = a.since < b.since || (a.since === b.since && a.kind <= b.kind) ? a : b
  const undone = earlier(a.undone, b.undone)
  const { undone: _own, ...rest } = first
  return {
    ...rest,
    evidence: [...new Set([...a.evidence, ...b.evidence])].toSorted().slice(0, mostEvidence),
    count: Math.max(a.count, b.count),
    until: Math.max(a.until, b.until),
    ...(undone && { undone }),
  }
}

const earlier = (a: LaneAction['undone'], b: LaneAction['undone']): LaneAction['undone'] => {
  if (!a || !b) return a ?? b
  if (a.at !== b.at) return a.at < b.at ? a : b
  return `${a.by} ${a.reason}` <= `${b.by} ${b.reason}` ? a : b
}

/** Per rule the scopes it closed within the last hour. */
export type CloseGuard = Hits

/** Whether the rule may close this scope too; the guard counts it if so. Closing the same scope again is free. */
export const mayClose = (
  guard: CloseGuard,
  { rule, scope }: Pick<Effect, 'rule' | 'scope'>,
  at: number,
  most: number,
): { readonly allowed: boolean; readonly guard: CloseGuard } => {
  const key = scopeKey(scope)
  const recent = (guard[rule] ?? []).filter(([closed]) => closed > at - hour)
  const others = recent.filter(([, one]) => one !== key)
  const allowed = recent.length > others.length || others.length < most
  return { allowed, guard: { ...guard, [rule]: allowed ? [...others, [at, key] as const] : others } }
}

export const joinGuards = (a: CloseGuard, b: CloseGuard): CloseGuard => joinHits(a, b)
