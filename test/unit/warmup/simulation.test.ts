// Forty days of a warm-up, with the clock in the test's hand: every five minutes mail arrives, the allowance is asked,
// the provider answers; at midnight the day is closed.
import { describe, expect, it } from 'vitest'

import { day, hour, minute } from '@sluice/core/shaping/rate'
import {
  allowanceOfStream,
  allowanceOn,
  dailyAllowance,
  dayOf,
  nextAllowance,
  rankStreams,
} from '@sluice/core/warmup/allowance'
import { askWarmup } from '@sluice/core/warmup/overflow'
import type { WarmupPlan } from '@sluice/core/warmup/plan'
import {
  closeDay,
  emptyTally,
  holdWarmup,
  setStage,
  startWarmup,
  stepBackOnBlock,
  type DayRecord,
  type WarmupEvent,
  type WarmupState,
} from '@sluice/core/warmup/state'

import { diceOf } from '../lane/receiver'

const plan: WarmupPlan = {
  id: 'test',
  label: 'test',
  source: 'test',
  scope: 'source',
  stages: Array.from({ length: 25 }, (_, index) => Math.round(1000 * 1.2 ** index)),
  gate: { enough: 0.75, z: 1.28, throttled: 0.1, blocked: 0.01, complained: 0.003, memory: 7 },
  idle: { grace_days: 14, stages_per_week: 3, restart_days: 30 },
  spread_hours: 10,
}

interface Weather {
  /** Messages that arrive in a day. */
  readonly demand: number
  /** Chance that an attempt is throttled. */
  readonly throttled?: number
  readonly complained?: number
  /** Hour of the day at which the provider blocks the address. */
  readonly blockedAt?: number
}

interface Day {
  readonly day: number
  readonly stage: number
  readonly used: number
  readonly overflowed: number
  readonly waiting: number
  readonly record: DayRecord
}

interface Scenario {
  readonly days: number
  readonly weather: (day: number) => Weather
  readonly overflow?: 'pool' | 'wait'
  readonly warm?: readonly string[]
  readonly share?: number
}

const firstDay = dayOf(1_800_000_000_000) + 1
const step = 5 * minute

const run = ({ days, weather, overflow = 'pool', warm = ['warm-1'], share = 1 }: Scenario) => {
  const roll = diceOf(11)
  const events: WarmupEvent[] = []
  const history: Day[] = []
  let state: WarmupState = startWarmup(plan, firstDay * day, firstDay, share)
  let queue = 0
  let due = 0
  const faults: string[] = []
  /** So many of `count` at that rate, rounded by dice. */
  const sample = (count: number, rate: number): number =>
    rate === 0 ? 0 : Math.min(count, Math.floor(count * rate + roll()))

  for (let index = 0; index < days; index++) {
    const today = firstDay + index
    const { demand, throttled = 0.01, complained = 0, blockedAt } = weather(index)
    const tally = { ...emptyTally }
    let used = 0
    let overflowed = 0
    const perHour: number[] = []
    for (let now = today * day; now < (today + 1) * day; now += step) {
      // All of the day's mail arrives in its first ten hours.
      queue += now % day < 10 * hour ? Math.round((demand * step) / (10 * hour)) : 0
      if (blockedAt !== undefined && now % day === blockedAt * hour) {
        const decision = stepBackOnBlock(state, plan, today)
        state = decision.state
        if (decision.event) events.push(decision.event)
        tally.blocked++
      }
      let sent = 0
      for (; queue > 0; queue--) {
        const answer = askWarmup({ state, plan, used, due, now, rank: 0, overflow, warm })
        if (answer.kind === 'wait') {
          if (answer.until <= now || answer.until > (today + 1) * day + hour) faults.push(`waits until ${answer.until}`)
          break
        }
        if (answer.kind === 'overflow') {
          overflowed++
          continue
        }
        used++
        sent++
        if (answer.kind === 'use') {
          due = answer.due
          if (used > (allowanceOn(state, plan, now) ?? 0)) faults.push(`${used} on day ${index}`)
        }
      }
      const slowed = sample(sent, throttled)
      tally.throttled += slowed
      tally.delivered += sent - slowed
      tally.complained += sample(sent - slowed, complained)
      perHour[Math.floor((now % day) / hour)] = (perHour[Math.floor((now % day) / hour)] ?? 0) + sent
    }
    // No hour has more than its own share of the pace and that of one hour before (a step back leaves room for 1.2).
    const most = 1.2 * 2 * ((dailyAllowance(state, plan) ?? Infinity) / plan.spread_hours)
    if (perHour.some((count) => count > most + 1)) faults.push(`a burst on day ${index}: ${perHour.join(' ')}`)
    const allowance = dailyAllowance(state, plan) ?? 0
    const record = { day: today, used, feedback: true, allowance, ...tally }
    history.push({ day: index, stage: state.stage, used, overflowed, waiting: queue, record })
    const decision = closeDay(state, plan, record)
    state = decision.state
    if (decision.event) events.push(decision.event)
    // A day that is closed twice counts once.
    expect(closeDay(state, plan, record).state).toBe(state)
  }
  expect(faults).toEqual([])
  return { state, events, history }
}

const enough = (index: number) => Math.round(1000 * 1.2 ** Math.min(index, 12))

describe('forty days of warm-up', () => {
  it('go stage by stage while all is well, and overflow what the allowance does not take', () => {
    const { state, history, events } = run({ days: 40, weather: (index) => ({ demand: enough(index) * 2 }) })
    for (const one of history) {
      const allowance = plan.stages[one.stage]
      if (allowance !== undefined) expect(one.used).toBeLessThanOrEqual(allowance)
      // Every message went one way or the other.
      const demand = Math.round((enough(one.day) * 2 * step) / (10 * hour)) * 120
      expect(one.used + one.overflowed).toBe(demand)
      expect(one.waiting).toBe(0)
    }
    expect(events.filter(({ kind }) => kind === 'stepped_back')).toEqual([])
    // Demand ends at 2 x the 13th figure: the stage at which three quarters of the allowance can not be sent any more.
    expect(state.stage).toBeGreaterThan(10)
    expect(state.stage).toBeLessThan(20)
    expect(state.note).toContain('too little')
  })

  it('hold while it is not known, at first for the rarest of the rates', () => {
    const { history } = run({ days: 3, weather: () => ({ demand: 5000 }) })
    // A thousand messages without a complaint show that the rate is below 0.3 %, two hundred do not.
    expect(history.map(({ stage }) => stage)).toEqual([0, 1, 2])
    const small = run({ days: 5, share: 0.2, weather: () => ({ demand: 5000 }) })
    expect(small.history.map(({ stage }) => stage)).toEqual([0, 0, 0, 0, 1])
    expect(small.events[0]).toMatchObject({ kind: 'held', reason: expect.stringContaining('complained') as string })
  })

  it('advance only with enough volume', () => {
    const { state, history } = run({ days: 40, weather: (index) => ({ demand: index < 3 ? 5000 : 1000 }) })
    expect(history.at(-1)?.stage).toBe(3)
    expect(state.note).toMatch(/^sent \d+ of 1728, too little/)
  })

  it('hold at a doubtful throttle rate, step back at a bad one, and go on when it is good again', () => {
    const { history } = run({
      days: 30,
      weather: (index) => ({ demand: 100_000, throttled: index < 5 ? 0.01 : index < 10 ? 0.4 : 0.01 }),
    })
    const stages = history.map(({ stage }) => stage)
    expect(stages.slice(0, 6)).toEqual([0, 1, 2, 3, 4, 5])
    expect(stages[10]).toBeLessThan(4)
    expect(stages[29]).toBeGreaterThan(10)
  })

  it('step back when complaints are surely too many', () => {
    const { events } = run({ days: 6, weather: () => ({ demand: 10_000, complained: 0.02 }) })
    expect(events[0]).toMatchObject({ kind: 'stepped_back', from: 0, to: 0 })
    expect(events.every(({ kind }) => kind !== 'advanced')).toBe(true)
  })

  it('step back at once on a block, once a day, and send no more than the lower stage allows', () => {
    const { history, events } = run({
      days: 12,
      weather: (index) => ({ demand: 100_000, ...(index === 8 && { blockedAt: 6 }) }),
    })
    expect(history.map(({ stage }) => stage)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 8, 9])
    expect(events.filter(({ kind }) => kind === 'stepped_back')).toEqual([
      { kind: 'stepped_back', day: firstDay + 8, from: 8, to: 7, reason: 'blocked' },
    ])
    expect(history[8]?.used).toBeLessThanOrEqual(plan.stages[7] ?? 0)
  })

  it('restart lower after idle weeks, and anew after thirty days', () => {
    const pause = (length: number) =>
      run({
        days: 10 + length + 1,
        weather: (index) => ({ demand: index < 10 || index >= 10 + length ? 30_000 : 0 }),
      })
    const stageAfter = (length: number) => pause(length).history.at(-1)?.stage
    expect([stageAfter(0), stageAfter(13), stageAfter(14), stageAfter(20), stageAfter(21), stageAfter(30)]).toEqual([
      10, 10, 7, 7, 4, 0,
    ])
    expect(pause(14).events.at(-2)).toMatchObject({ kind: 'restarted', from: 10, to: 7 })
  })

  it('let the mail wait where the rule says so, or where no warm source is open', () => {
    for (const rule of [{ overflow: 'wait' as const }, { warm: [] }]) {
      const { history } = run({ days: 3, weather: () => ({ demand: 3000 }), ...rule })
      expect(history.map(({ overflowed }) => overflowed)).toEqual([0, 0, 0])
      expect(history.map(({ used }) => used)).toEqual([1000, 1200, 1440])
      expect(history.map(({ waiting }) => waiting)).toEqual([2000, 3800, 5360])
    }
  })

  it('end: a warm source has no allowance, until it has been idle for weeks', () => {
    const short = setStage(startWarmup(plan, 0, 0), plan, plan.stages.length, 0, 'known to be warm')
    expect(short.state.status).toBe('done')
    expect(dailyAllowance(short.state, plan)).toBeUndefined()
    const question = {
      state: short.state,
      plan,
      used: 1e9,
      due: 0,
      now: 0,
      rank: 3,
      overflow: 'wait' as const,
      warm: [],
    }
    expect(askWarmup(question)).toEqual({ kind: 'warm' })
    let state = short.state
    const idle = (today: number): DayRecord => ({ day: today, used: 0, feedback: true, allowance: 0, ...emptyTally })
    for (let today = 1; today <= 14; today++) state = closeDay(state, plan, idle(today)).state
    expect(state).toMatchObject({ status: 'warming', stage: plan.stages.length - 3 })
  })
})

describe('the day', () => {
  const dawn = firstDay * day
  const state = startWarmup(plan, dawn, firstDay)

  it('has the allowance of the stage, the share of the lane, and on the first day what is left of it', () => {
    expect(allowanceOn(state, plan, dawn)).toBe(1000)
    expect(allowanceOn(startWarmup(plan, dawn, firstDay, 0.25), plan, dawn)).toBe(250)
    expect(
      allowanceOn(startWarmup({ ...plan, scope: 'lane' }, dawn, firstDay, 0.25), { ...plan, scope: 'lane' }, dawn),
    ).toBe(1000)
    const late = startWarmup(plan, dawn + 18 * hour, firstDay)
    expect(allowanceOn(late, plan, dawn + 20 * hour)).toBe(250)
    expect(allowanceOn(late, plan, dawn + 30 * hour)).toBe(1000)
  })

  it('is spread: an hour at a time, and used up in ten', () => {
    const ask = (due: number, used: number, now: number) =>
      askWarmup({ state, plan, used, due, now, rank: 0, overflow: 'wait', warm: [] })
    let due = 0
    let used = 0
    const perHour: number[] = []
    for (let now = dawn; now < dawn + 12 * hour; now += minute) {
      for (;;) {
        const answer = ask(due, used, now)
        if (answer.kind !== 'use') break
        due = answer.due
        used++
        perHour[Math.floor((now - dawn) / hour)] = (perHour[Math.floor((now - dawn) / hour)] ?? 0) + 1
      }
    }
    expect(used).toBe(1000)
    expect(perHour.length).toBeGreaterThanOrEqual(9)
    expect(perHour[0]).toBeLessThanOrEqual(200)
    for (const count of perHour.slice(1)) expect(count).toBeLessThanOrEqual(101)
  })

  it('serves the best-liked stream first, and everybody at its end', () => {
    const noon = dawn + 12 * hour
    expect([0, 1, 2, 9].map((rank) => allowanceOfStream(1000, rank, dawn))).toEqual([1000, 850, 700, 400])
    expect([0, 1, 2].map((rank) => allowanceOfStream(1000, rank, noon))).toEqual([1000, 925, 850])
    expect(allowanceOfStream(1000, 3, dawn + day - 1)).toBe(999)
    const ranks = rankStreams({
      receipts: { liking: 90 },
      news: { liking: 50 },
      offers: { liking: 50 },
      cold: { liking: 5 },
    })
    expect(Object.fromEntries(ranks)).toEqual({ receipts: 0, news: 1, offers: 1, cold: 2 })
  })

  it('says when a stream may send again', () => {
    expect(nextAllowance(1000, 1, 800, dawn)).toBe(dawn)
    const next = nextAllowance(1000, 1, 900, dawn)
    expect(next).toBeGreaterThan(dawn)
    expect(allowanceOfStream(1000, 1, next)).toBe(901)
    expect(allowanceOfStream(1000, 1, next - 10 * minute)).toBeLessThanOrEqual(900)
    expect(nextAllowance(1000, 0, 1000, dawn)).toBe(dawn + day)
    expect(nextAllowance(1000, 3, 1000, dawn)).toBe(dawn + day)
  })
})

describe("an operator's hand", () => {
  it('holds the stage and lets it go on', () => {
    const good = (today: number): DayRecord => ({
      day: today,
      used: 1000,
      feedback: true,
      allowance: 1000,
      ...emptyTally,
      delivered: 1000,
    })
    const held = holdWarmup(startWarmup(plan, 0, 0), true, 'migration')
    const kept = closeDay(held, plan, good(0)).state
    expect(kept).toMatchObject({ status: 'held', stage: 0 })
    expect(stepBackOnBlock(setStage(kept, plan, 5, 1, 'x').state, plan, 1).state.stage).toBe(4)
    const free = holdWarmup(kept, false, 'done')
    expect(closeDay(free, plan, good(1)).state).toMatchObject({ status: 'warming', stage: 1 })
  })
})
