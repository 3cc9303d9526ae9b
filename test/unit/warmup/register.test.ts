import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

import { day, hour } from '@sluice/core/shaping/rate'
import { noWarmups, parseWarmups } from '@sluice/core/warmup/document'
import type { Register } from '@sluice/core/warmup/draft'
import { readPlans, type WarmupPlan } from '@sluice/core/warmup/plan'
import { closeDays, configure, hold, set, start, stepBack, type LaneDay } from '@sluice/core/warmup/register'

const file = path.join(__dirname, '../../../core/data/warmup.yaml')
const plans = Object.fromEntries(readPlans(file, readFileSync(file, 'utf8')))
const planOf = (id: string): WarmupPlan => {
  const plan = plans[id]
  if (!plan) throw new Error(`no plan ${id}`)
  return plan
}
const today = 20_000
const now = today * day + 10 * hour

const entry = (providers: Record<string, number>, plan = 'sparkpost', overflow: 'pool' | 'wait' = 'pool') => ({
  source: 'a',
  plan,
  providers,
  overflow,
})
const configured = (...list: ReturnType<typeof entry>[]): Register => configure(noWarmups, list, plans, now).register
const lane = (parts: Partial<LaneDay>): LaneDay => ({
  source: 'a',
  provider: 'google',
  day: today,
  delivered: 0,
  throttled: 0,
  blocked: 0,
  complained: 0,
  attempts: 0,
  last_blocked: 0,
  ...parts,
})
const stagesOf = ({ warmups }: Register) =>
  Object.fromEntries(warmups.map(({ provider, state }) => [provider, state.stage]))
const at = (register: Register, stage: number): Register =>
  register.warmups.reduce((all, one) => set(all, one, stage, now, 'test').register, register)
const observed = (days: readonly LaneDay[]) => ({ days, feedback: new Set<string>(), used: () => undefined })

describe('the register of warm-ups', () => {
  it('starts what is configured, once, and is a document that can be read back', () => {
    const { register, notes } = configure(noWarmups, [entry({ google: 0.4, '*': 0.6 })], plans, now)
    expect(notes.map(({ event, warmup }) => [event.kind, warmup.provider])).toEqual([
      ['started', 'google'],
      ['started', '*'],
    ])
    const document = { version: 1, at: now, by: 'test', ...register }
    const read = parseWarmups(JSON.stringify(document))
    expect(read).toEqual(document)
    // What was published and read back is the same: nothing to publish.
    expect(configure(read, [entry({ google: 0.4, '*': 0.6 })], plans, now + day).register).toBe(read)
  })

  it('follows shares and overflow, and leaves alone what was started by hand or is not configured any more', () => {
    const changed = configure(
      configured(entry({ google: 1 })),
      [entry({ google: 0.5 }, 'sparkpost', 'wait')],
      plans,
      now,
    )
    expect(changed.register.warmups).toMatchObject([{ overflow: 'wait', state: { share: 0.5, stage: 0 } }])
    const wanted = { source: 'a', provider: 'google', share: 1, overflow: 'pool' as const, origin: 'operator' as const }
    const own = start(noWarmups, planOf('sendgrid'), { ...wanted, stage: 5 }, now, 'mine').register
    expect(configure(own, [entry({ google: 0.5 })], plans, now).register).toBe(own)
    expect(configure(own, [], plans, now).register).toBe(own)
  })

  it('goes on under another plan at the stage that allows no more than before', () => {
    const before = at(configured(entry({ google: 1 })), 5)
    const { register, notes } = configure(before, [entry({ google: 1 }, 'conservative')], plans, now)
    const allowed = plans['sparkpost']?.stages[5] ?? 0
    const stage = register.warmups[0]?.state.stage ?? 0
    expect(plans['conservative']?.stages[stage]).toBeLessThanOrEqual(allowed)
    expect(plans['conservative']?.stages[stage + 1]).toBeGreaterThan(allowed)
    expect(notes).toMatchObject([{ event: { kind: 'set', reason: 'follows the plan conservative now' } }])
  })

  it('takes a plan as it reads now', () => {
    const before = configured(entry({ google: 1 }))
    const plan = { ...planOf('sparkpost'), stages: [7, 8] }
    expect(configure(before, [], { ...plans, sparkpost: plan }, now).register.plans['sparkpost']?.stages).toEqual([
      7, 8,
    ])
  })
})

describe('a block', () => {
  const blocked = lane({ blocked: 1, last_blocked: now })

  it('steps back the warm-up that governs the lane, once a day', () => {
    const before = at(configured(entry({ google: 0.4, '*': 0.6 })), 5)
    const after = stepBack(before, { days: [blocked] })
    expect(stagesOf(after.register)).toEqual({ google: 4, '*': 5 })
    expect(after.notes).toMatchObject([{ event: { kind: 'stepped_back', reason: 'blocked' }, allowance: { to: 2000 } }])
    expect(stepBack(after.register, { days: [blocked] }).register).toBe(after.register)
    const other = stepBack(before, { days: [lane({ provider: 'some.site', blocked: 2, last_blocked: now })] })
    expect(stagesOf(other.register)).toEqual({ google: 5, '*': 4 })
  })

  it('that happened before the stage was set, or on a day that is closed, changes nothing', () => {
    const before = at(configured(entry({ google: 1 })), 5)
    expect(stepBack(before, { days: [lane({ blocked: 1, last_blocked: now - 3 * hour })] }).register).toBe(before)
    const closed = closeDays(before, today + 1, observed([])).register
    expect(stepBack(closed, { days: [blocked] }).register).toBe(closed)
  })
})

describe('closing days', () => {
  it('closes every finished day in order, each lane where it is governed, and none twice', () => {
    const before = configured(entry({ google: 0.5, '*': 0.5 }))
    const days = [
      lane({ delivered: 400, attempts: 400 }),
      lane({ provider: 'x.site', delivered: 300, attempts: 300 }),
      lane({ provider: 'y.site', delivered: 100, throttled: 90, attempts: 190 }),
      lane({ day: today + 1, delivered: 500, attempts: 500 }),
    ]
    const { register, notes } = closeDays(before, today + 2, observed(days))
    expect(stagesOf(register)).toEqual({ google: 2, '*': 0 })
    expect(notes.map(({ event, warmup, record }) => [warmup.provider, event.kind, record?.used])).toEqual([
      ['*', 'stepped_back', 490],
      ['google', 'advanced', 400],
      ['google', 'advanced', 500],
    ])
    expect(closeDays(register, today + 2, observed(days)).register).toBe(register)
    // A clock that has jumped back.
    expect(closeDays(register, today - 10, observed(days)).register).toBe(register)
  })

  it('goes by the count of the allowance where it is there', () => {
    const before = configured(entry({ google: 1 }))
    const days = [lane({ delivered: 400, attempts: 400 })]
    const { notes } = closeDays(before, today + 1, { ...observed(days), used: () => 20 })
    expect(notes).toMatchObject([{ event: { kind: 'held', reason: 'sent 20 of 200, too little to count' } }])
  })

  it('knows a thousand warm-ups in no time', () => {
    const list = Array.from({ length: 1000 }, (_, index) => ({ ...entry({ google: 1 }), source: `s${index}` }))
    const before = configure(noWarmups, list, plans, now).register
    const days = list.map(({ source }) => lane({ source, delivered: 400, attempts: 400 }))
    const began = performance.now()
    expect(closeDays(before, today + 1, observed(days)).notes).toHaveLength(1000)
    expect(performance.now() - began).toBeLessThan(5000)
  })
})

const holdFirst = (register: Register, held: boolean, reason: string) => {
  const [first] = register.warmups
  if (!first) throw new Error('no warm-up')
  return hold(register, first, held, now, reason)
}

describe("an operator's hand", () => {
  it('holds and lets go on, and says so', () => {
    const before = configured(entry({ google: 1 }))
    const held = holdFirst(before, true, 'migration')
    expect(held.notes).toMatchObject([{ event: { kind: 'paused', reason: 'migration' } }])
    const free = holdFirst(held.register, false, 'done')
    expect(free.register.warmups[0]?.state).toMatchObject({ status: 'warming', note: 'done' })
  })
})

describe('a damaged document', () => {
  it.each([
    ['no JSON', '{'],
    ['a version of nothing', '{"version":0,"at":0,"by":"","plans":{},"warmups":[]}'],
    [
      'a plan that is not there',
      JSON.stringify({ version: 1, at: 0, by: '', plans: {}, warmups: configured(entry({ google: 1 })).warmups }),
    ],
    ['an unknown key', '{"version":1,"at":0,"by":"","plans":{},"warmups":[],"more":1}'],
    ['too much of it', ' '.repeat(17 * 1024 * 1024)],
  ])('with %s is refused', (_what, text) => {
    expect(() => parseWarmups(text)).toThrow(expect.objectContaining({ code: 'SLUICE_REDIS_CONTENT' }) as Error)
  })
})
