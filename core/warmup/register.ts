// All warm-ups together: started as configured or by hand, held, set, stepped back, their days closed. Each edit answers
// the new register and what is to be written down about it; one that changes nothing answers the register itself, so
// whoever keeps it knows that there is nothing to publish.

import type { ShapingConfig } from '../config/shaping'
import { anyProvider } from '../routing/table'
import { hour } from '../shaping/rate'
import { dailyAllowance, dayOf } from './allowance'
import type { Warmup } from './document'
import { Draft, type Edited, type Register } from './draft'
import type { WarmupPlan } from './plan'
import { closeDay, holdWarmup, setStage, startWarmup, stepBackOnBlock, type DayRecord, type Tally } from './state'

export type Plans = Readonly<Record<string, WarmupPlan>>

/** What one lane's outcomes say of one day. */
export interface LaneDay extends Tally {
  readonly source: string
  readonly provider: string
  /** Days since 1970. */
  readonly day: number
  /** Recipients that an attempt was made for. */
  readonly attempts: number
  /** Start of the hour of the last block, ms since 1970; 0 = none. */
  readonly last_blocked: number
}

export interface Observed {
  readonly days: readonly LaneDay[]
  /** Providers that are known to report complaints. */
  readonly feedback: ReadonlySet<string>
  /** Messages counted for a warm-up on a day; undefined where that count is gone. */
  readonly used: (warmup: Warmup, day: number) => number | undefined
}

export interface Start extends Pick<Warmup, 'source' | 'provider' | 'overflow' | 'origin'> {
  readonly share: number
  readonly stage?: number | undefined
}

/** Begins a warm-up, anew where there is one. */
export const start = (register: Register, plan: WarmupPlan, wanted: Start, now: number, reason: string): Edited => {
  const draft = new Draft(register)
  startIn(draft, plan, wanted, now, reason)
  return draft.edited()
}

const startIn = (draft: Draft, plan: WarmupPlan, wanted: Start, now: number, reason: string): void => {
  const { share, stage = 0, ...rest } = wanted
  const state = { ...startWarmup(plan, now, dayOf(now), share, stage), note: reason }
  const from = draft.get(wanted)?.state.stage ?? state.stage
  draft.use(plan)
  draft.put({ ...rest, since: now, state }, { kind: 'started', day: dayOf(now), from, to: state.stage, reason })
}

/**
 * Brings the register to what is configured: what is not in it is started, shares and overflow follow, a warm-up that
 * is to follow another plan goes on at that plan's highest stage that allows no more than now. What was started by
 * hand, and what is not configured any more, stays as it is.
 */
export const configure = (
  register: Register,
  configured: ShapingConfig['warmup'],
  plans: Plans,
  now: number,
): Edited => {
  const draft = new Draft(register)
  for (const { id } of Object.values(register.plans)) if (plans[id]) draft.use(plans[id])
  for (const { source, plan: id, providers, overflow } of configured) {
    const plan = plans[id]
    if (!plan) continue // refused when the configuration was read
    for (const [provider, share] of Object.entries(providers)) {
      const known = draft.get({ source, provider })
      if (!known) startIn(draft, plan, { source, provider, share, overflow, origin: 'configured' }, now, 'configured')
      else if (known.origin === 'operator') continue
      else if (known.state.plan !== id) replan(draft, { ...known, overflow }, plan, share, now)
      else if (known.state.share !== share || known.overflow !== overflow) {
        draft.put({ ...known, overflow, state: { ...known.state, share } })
      }
    }
  }
  return draft.edited()
}

const replan = (draft: Draft, warmup: Warmup, plan: WarmupPlan, share: number, now: number): void => {
  const { stage: from, status } = warmup.state
  const allowed = draft.allowance(warmup)
  const at = (stage: number) => ({ ...warmup.state, plan: plan.id, share, status: 'warming' as const, stage })
  const fits = plan.stages.map((_, stage) => (dailyAllowance(at(stage), plan) ?? 0) <= allowed)
  const to = status === 'done' ? plan.stages.length : Math.max(0, fits.lastIndexOf(true))
  const reason = `follows the plan ${plan.id} now`
  draft.use(plan)
  draft.put(
    { ...warmup, state: { ...at(to), status, note: reason } },
    { kind: 'set', day: dayOf(now), from, to, reason },
  )
}

/** Steps back at once where an address was blocked on a day that is not closed yet. */
export const stepBack = (register: Register, { days }: Pick<Observed, 'days'>): Edited => {
  const draft = new Draft(register)
  for (const [key, lanes] of governed(register, days)) {
    const blocked = lanes.filter((lane) => lane.blocked > 0).toSorted((a, b) => a.day - b.day)
    for (const { day, last_blocked } of blocked) {
      const warmup = draft.get(key)
      const plan = warmup && draft.plan(warmup)
      if (!warmup || !plan || last_blocked + hour <= warmup.since) continue
      if (day <= warmup.state.closed || day <= warmup.state.blocked_on) continue
      const { state, event } = stepBackOnBlock(warmup.state, plan, day)
      if (event) draft.put({ ...warmup, state }, event)
    }
  }
  return draft.edited()
}

/** Closes every day before `today` that is not closed yet, in order. */
export const closeDays = (register: Register, today: number, observed: Observed): Edited => {
  const draft = new Draft(register)
  for (const [key, lanes] of governed(register, observed.days)) {
    for (;;) {
      const warmup = draft.get(key)
      const plan = warmup && draft.plan(warmup)
      if (!warmup || !plan || warmup.state.closed >= today - 1) break
      const record = recordOf(warmup, plan, lanes, observed)
      const { state, event } = closeDay(warmup.state, plan, record)
      draft.put({ ...warmup, state }, event, record)
    }
  }
  return draft.edited()
}

/** An operator holds the stage, or lets it go on. */
export const hold = (register: Register, warmup: Warmup, held: boolean, now: number, reason: string): Edited => {
  const draft = new Draft(register)
  const state = holdWarmup(warmup.state, held, reason)
  const { stage } = state
  const kind = held ? 'paused' : 'resumed'
  if (state !== warmup.state) draft.put({ ...warmup, state }, { kind, day: dayOf(now), from: stage, to: stage, reason })
  return draft.edited()
}

/** An operator sets the stage; the number of stages = warm. */
export const set = (register: Register, warmup: Warmup, stage: number, now: number, reason: string): Edited => {
  const draft = new Draft(register)
  const plan = draft.plan(warmup)
  if (plan) {
    const { state, event } = setStage(warmup.state, plan, stage, dayOf(now), reason)
    draft.put({ ...warmup, since: now, state }, event)
  }
  return draft.edited()
}

const recordOf = (warmup: Warmup, plan: WarmupPlan, lanes: readonly LaneDay[], observed: Observed): DayRecord => {
  const day = warmup.state.closed + 1
  const ofDay = lanes.filter((lane) => lane.day === day)
  const sum = (of: (lane: LaneDay) => number): number => ofDay.reduce((all, lane) => all + of(lane), 0)
  const counted = observed.used(warmup, day)
  return {
    day,
    used: counted !== undefined && counted > 0 ? counted : sum(({ attempts }) => attempts),
    feedback: ofDay.some(({ provider }) => observed.feedback.has(provider)),
    allowance: dailyAllowance(warmup.state, plan) ?? 0,
    delivered: sum(({ delivered }) => delivered),
    throttled: sum(({ throttled }) => throttled),
    blocked: sum(({ blocked }) => blocked),
    complained: sum(({ complained }) => complained),
  }
}

/** Each warm-up with what is known of the lanes it governs. */
function* governed(register: Register, days: readonly LaneDay[]): Iterable<[Warmup, LaneDay[]]> {
  const ofSource = bySource(days)
  const own = bySource(register.warmups)
  for (const warmup of register.warmups) {
    const named = new Set(own.get(warmup.source)?.map(({ provider }) => provider))
    const governs = ({ provider }: LaneDay): boolean =>
      provider === warmup.provider || (warmup.provider === anyProvider && !named.has(provider))
    yield [warmup, (ofSource.get(warmup.source) ?? []).filter(governs)]
  }
}

const bySource = <T extends { readonly source: string }>(all: readonly T[]): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(one.source)
    if (group) group.push(one)
    else groups.set(one.source, [one])
  }
  return groups
}
