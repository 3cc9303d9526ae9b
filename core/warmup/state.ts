// The warm-up of one source towards one provider, counted in sending days.
//
//   warming   stage by stage. At the end of a day the gate decides: advance where enough was sent and throttling,
//             blocks and complaints are surely acceptable; step back where one of them surely is not; hold where it is
//             not known, or too little was sent. A block steps back at once, once a day.
//   held      by an operator: the stage stays, whatever happens but a block.
//   done      past the last stage: warm. Idle weeks lead back into the plan.
//
// Idle weeks take stages away, and after the plan's restart time all of them. What was observed is remembered over
// stages and fades with sending days; after a step back it is forgotten, for it was about more mail than that.

import { wilson, judge } from './interval'
import type { WarmupPlan } from './plan'

export interface Tally {
  readonly delivered: number
  /** Attempts the provider answered by asking to slow down. */
  readonly throttled: number
  /** Attempts refused because of the address. */
  readonly blocked: number
  readonly complained: number
}

export const emptyTally: Tally = { delivered: 0, throttled: 0, blocked: 0, complained: 0 }

export interface WarmupState {
  readonly plan: string
  /** The lane's share of a plan that is for the whole source. 0..1] */
  readonly share: number
  readonly status: 'warming' | 'held' | 'done'
  /** From 0. */
  readonly stage: number
  /** When it was started, ms since 1970. */
  readonly started: number
  /** The last day that was closed (days since 1970). */
  readonly closed: number
  /** Days in a row without mail. */
  readonly idle: number
  /** Day of the last step back by a block; -1 = never. */
  readonly blocked_on: number
  readonly tally: Tally
  /** Why it is where it is. */
  readonly note: string
}

/** held: by the gate, for the day; paused and resumed: by an operator. */
export const warmupEventKinds = [
  'started',
  'advanced',
  'held',
  'stepped_back',
  'restarted',
  'done',
  'set',
  'paused',
  'resumed',
] as const

/** What is written down (an outcome-side event) when something was decided. */
export interface WarmupEvent {
  readonly kind: (typeof warmupEventKinds)[number]
  readonly day: number
  readonly from: number
  readonly to: number
  readonly reason: string
}

export interface Decision {
  readonly state: WarmupState
  readonly event?: WarmupEvent
}

/** What one day brought. */
export interface DayRecord extends Tally {
  /** Days since 1970. */
  readonly day: number
  /** Messages the warm-up let go. */
  readonly used: number
  /** The provider reports complaints (feedback loop); otherwise they say nothing. */
  readonly feedback: boolean
  /** The allowance of the whole day, `dailyAllowance`. */
  readonly allowance: number
}

/** `day` is today, `now` in ms since 1970. */
export const startWarmup = (plan: WarmupPlan, now: number, day: number, share = 1, stage = 0): WarmupState => ({
  plan: plan.id,
  share,
  status: 'warming',
  stage: Math.min(Math.max(0, stage), plan.stages.length - 1),
  started: now,
  closed: day - 1,
  idle: 0,
  blocked_on: -1,
  tally: emptyTally,
  note: 'started',
})

/** Closes one day; days are closed in order and each once: a day that is closed already changes nothing. */
export const closeDay = (state: WarmupState, plan: WarmupPlan, record: DayRecord): Decision => {
  if (record.day <= state.closed) return { state }
  if (record.used === 0) return idleDay({ ...state, closed: record.day, idle: state.idle + 1 }, plan, record.day)
  const tally = remember(state.tally, record, plan.gate.memory)
  const next = { ...state, closed: record.day, idle: 0, tally }
  if (state.status !== 'warming') return { state: next }

  const { verdict, reason } = gateOf(next, plan, record)
  if (verdict === 'bad') return moveTo({ ...next, tally: emptyTally }, plan, state.stage - 1, record.day, reason)
  if (verdict === 'good') return moveTo(next, plan, state.stage + 1, record.day, reason)
  return { state: { ...next, note: reason }, event: eventOf('held', record.day, state.stage, state.stage, reason) }
}

const idleDay = (state: WarmupState, { idle, stages }: WarmupPlan, today: number): Decision => {
  if (state.status === 'held') return { state }
  const weeks = state.idle >= idle.grace_days && (state.idle - idle.grace_days) % 7 === 0
  const lower = state.idle >= idle.restart_days ? 0 : weeks ? state.stage - idle.stages_per_week : state.stage
  const stage = Math.max(0, Math.min(lower, stages.length))
  if (stage >= state.stage) return { state }
  const reason = `no mail for ${state.idle} days`
  return {
    state: { ...state, status: 'warming', stage, tally: emptyTally, note: reason },
    event: eventOf('restarted', today, state.stage, stage, reason),
  }
}

/** A block because of the address: one stage back at once, once a day. */
export const stepBackOnBlock = (state: WarmupState, plan: WarmupPlan, day: number): Decision => {
  if (state.blocked_on === day || state.status === 'done') return { state }
  return moveTo({ ...state, blocked_on: day, tally: emptyTally }, plan, state.stage - 1, day, 'blocked')
}

/** An operator holds the stage, or lets it go on. */
export const holdWarmup = (state: WarmupState, held: boolean, reason: string): WarmupState =>
  state.status === 'done' ? state : { ...state, status: held ? 'held' : 'warming', note: reason }

/** An operator sets the stage; what was observed before counts no more. */
export const setStage = (
  state: WarmupState,
  plan: WarmupPlan,
  stage: number,
  day: number,
  reason: string,
): Decision => {
  const to = Math.min(Math.max(0, stage), plan.stages.length)
  const status = to === plan.stages.length ? 'done' : 'warming'
  return {
    state: { ...state, status, stage: to, tally: emptyTally, idle: 0, note: reason },
    event: eventOf('set', day, state.stage, to, reason),
  }
}

const moveTo = (state: WarmupState, plan: WarmupPlan, to: number, day: number, reason: string): Decision => {
  const stage = Math.max(0, to)
  const done = stage >= plan.stages.length
  const kind = done ? 'done' : stage > state.stage ? 'advanced' : 'stepped_back'
  return {
    state: { ...state, stage, status: done ? 'done' : state.status, note: reason },
    event: eventOf(kind, day, state.stage, stage, reason),
  }
}

const eventOf = (kind: WarmupEvent['kind'], day: number, from: number, to: number, reason: string): WarmupEvent => ({
  kind,
  day,
  from,
  to,
  reason,
})

const remember = (tally: Tally, today: Tally, memory: number): Tally => {
  const fade = 0.5 ** (1 / memory)
  return {
    delivered: tally.delivered * fade + today.delivered,
    throttled: tally.throttled * fade + today.throttled,
    blocked: tally.blocked * fade + today.blocked,
    complained: tally.complained * fade + today.complained,
  }
}

interface GateVerdict {
  readonly verdict: 'good' | 'bad' | 'unsure'
  readonly reason: string
}

const percent = (rate: number): string => `${(rate * 100).toFixed(2)} %`

const gateOf = ({ tally, blocked_on }: WarmupState, { gate }: WarmupPlan, record: DayRecord): GateVerdict => {
  const attempts = tally.delivered + tally.throttled + tally.blocked
  const measures = [
    { name: 'throttled', events: tally.throttled, trials: attempts, limit: gate.throttled },
    { name: 'blocked', events: tally.blocked, trials: attempts, limit: gate.blocked },
    ...(record.feedback
      ? [{ name: 'complained', events: tally.complained, trials: tally.delivered, limit: gate.complained }]
      : []),
  ].map(({ name, events, trials, limit }) => {
    const interval = wilson(events, trials, gate.z)
    const says = `${name} ${percent(interval.low)} to ${percent(interval.high)}, limit ${percent(limit)}`
    return { verdict: judge(interval, limit), says }
  })
  const bad = measures.find(({ verdict }) => verdict === 'bad')
  // A day on which it has already stepped back is not judged once more.
  if (blocked_on === record.day) return { verdict: 'unsure', reason: 'blocked today' }
  if (bad) return { verdict: 'bad', reason: bad.says }
  if (record.used < gate.enough * record.allowance) {
    return { verdict: 'unsure', reason: `sent ${record.used} of ${record.allowance}, too little to count` }
  }
  const unsure = measures.find(({ verdict }) => verdict === 'unsure')
  if (unsure) return { verdict: 'unsure', reason: `not known yet: ${unsure.says}` }
  return {
    verdict: 'good',
    reason: `sent ${record.used} of ${record.allowance}; ${measures.map(({ says }) => says).join('; ')}`,
  }
}
