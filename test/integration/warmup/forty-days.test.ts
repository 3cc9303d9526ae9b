// Warm-up over forty days in accelerated time (world.ts): allowances are never exceeded, the gate advances, holds and
// steps back by what ClickHouse has, a block steps back at once, idle weeks restart lower, what the allowance does not
// take goes out by the warm source or waits. Redis loses everything on the way, and the clock jumps back.
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { day, hour } from '@sluice/core/shaping/rate'
import { dailyAllowance, dayOf } from '@sluice/core/warmup/allowance'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { readEvents, type EventRow } from '@sluice/sidecar/warmup/history'

import { runEngine, type Running } from '../engine/running'
import type { Row } from '../score/outcomes'
import { keys, moments, plans, World } from './world'

let engine: Running
let client: ClickHouseClient
let server: RedisServer

beforeAll(async () => {
  engine = await runEngine()
  client = await openClickHouse({ engine: engine.engine })
  server = await startRedis()
})
afterAll(async () => {
  await client.close()
  await server.stop()
  await engine.end()
})

const first = dayOf(Date.now()) - 60
const begin = first * day

interface Weather {
  /** Of the day's allowance that arrives, for each of the two. */
  readonly demand?: number
  readonly throttled?: number
  readonly complained?: number
  /** Hour at which the address is blocked. */
  readonly blockedAt?: number
  /** The warm source is closed. */
  readonly alone?: boolean
}

const idle = { demand: 0 }
const weatherOf = (index: number): Weather => {
  if (index === 6) return { demand: 0.5 }
  if (index === 8 || index === 9) return { throttled: 0.8 }
  if (index === 14) return { blockedAt: 6 }
  if (index === 16) return { complained: 0.4 }
  if (index === 18) return { alone: true }
  if (index >= 22 && index < 37) return idle
  return {}
}

const governed = {
  google: (provider: string) => provider === 'google',
  '*': (provider: string) => provider !== 'google',
}
type Governed = keyof typeof governed
const both = ['google', '*'] as const

const allowanceNow = async (world: World, of: Governed): Promise<number> => {
  const state = await world.state(of)
  const plan = plans[state.plan]
  return (plan && dailyAllowance(state, plan)) ?? Infinity
}

/** What the receivers say of what was sent since the last time. */
const sayings = (world: World, from: number, { throttled = 0, complained = 0 }: Weather): Row[] => {
  const counts = new Map<string, number>()
  const share = (key: string, rate: number): boolean => {
    const before = counts.get(key) ?? 0
    counts.set(key, before + rate)
    return Math.floor(before + rate) > Math.floor(before)
  }
  return world.sent.slice(from).flatMap(({ at, provider, stream }): Row[] => {
    const row = { at, provider, stream }
    if (share(`t${provider}`, throttled)) return [{ ...row, kind: 'deferred', class: 'rate_limited', blame: 'ip' }]
    const complaint = share(`c${provider}`, complained)
    return [row, ...(complaint ? [{ ...row, kind: 'complained' as const }] : [])]
  })
}

interface Day {
  readonly stages: Readonly<Record<Governed, number>>
  readonly sent: Readonly<Record<Governed, number>>
  readonly most: Readonly<Record<Governed, number>>
  readonly overflowed: number
  readonly left: number
}

const liveOneDay = async (world: World, index: number): Promise<Day> => {
  const today = first + index
  const weather = weatherOf(index)
  // Yesterday is closed a quarter of an hour after its end.
  world.at(today, 20 * 60_000)
  await world.round()
  const stages = { google: (await world.state('google')).stage, '*': (await world.state('*')).stage }
  const most = { google: await allowanceNow(world, 'google'), '*': await allowanceNow(world, '*') }
  const arriving = { google: (weather.demand ?? 1.6) * most.google, '*': (weather.demand ?? 1.1) * most['*'] }
  const before = world.sent.length
  for (const at of moments) {
    world.at(today, at)
    if (weather.blockedAt !== undefined && at === weather.blockedAt * hour) {
      await world.report([{ at: world.now, provider: 'google', kind: 'bounced', class: 'ip_blocked', blame: 'ip' }])
      await world.round()
    }
    if (at < 11 * hour) {
      world.arrive('google', Math.round(arriving.google / 20))
      world.arrive('yahoo', Math.round(arriving['*'] / 30))
      world.arrive('a.site', Math.round(arriving['*'] / 60))
    }
    if (world.waiting.length > 0) await world.go(!weather.alone)
  }
  await world.report(sayings(world, before, weather))
  const count = (of: Governed): number => world.sentOn(today, governed[of]).length
  return {
    stages,
    most,
    sent: { google: count('google'), '*': count('*') },
    overflowed: world.overflowed.filter(({ at }) => dayOf(at) === today).length,
    left: world.waiting.length,
  }
}

describe('forty days', () => {
  const days: Day[] = []
  let world: World
  let events: EventRow[] = []

  beforeAll(async () => {
    world = await World.begin(server, client, begin)
    // Both providers have a feedback loop: complaints have come in before.
    await world.report(
      ['google', 'yahoo'].map((provider) => ({ at: begin - day, source: 'old', provider, kind: 'complained' })),
    )
    for (let index = 0; index < 40; index++) {
      if (index === 12) await world.redis.flushall()
      if (index === 20) {
        // Everybody forgets: Redis, and both sidecars are new.
        await world.redis.flushall()
        world.sidecars.splice(0, 2, world.sidecar('three'), world.sidecar('four'))
      }
      days.push(await liveOneDay(world, index))
      if (index === 10) {
        const before = await world.redis.get(keys.warmup)
        world.now -= 3 * day
        await world.round()
        expect(await world.redis.get(keys.warmup)).toBe(before)
      }
    }
    world.at(first + 40, hour)
    await world.round()
    events = (await readEvents(client, { source: 'new', provider: '', since: 0, limit: 10_000 })).reverse()
  }, 120_000)
  afterAll(() => world.end())

  const of = (provider: Governed, index: number) =>
    events.filter((event) => event.provider === provider && event.day === dateOf(index))
  const dateOf = (index: number): string => new Date((first + index) * day).toISOString().slice(0, 10)

  it('never send more than is allowed, whoever shares the allowance', () => {
    for (const [index, one] of days.entries()) {
      for (const provider of both) {
        expect(one.sent[provider], `${provider}, day ${index}`).toBeLessThanOrEqual(one.most[provider])
      }
    }
    for (const { used, limit } of world.sent) expect(used).toBeLessThanOrEqual(limit)
    expect(world.sent.length).toBeGreaterThan(1000)
  })

  it('are counted in Redis as they were sent', async () => {
    const last = first + 39
    for (const provider of both) {
      expect(await world.counted(provider, last)).toBe(world.sentOn(last, governed[provider]).length)
    }
  })

  it('hold while it is not known, then go stage by stage', () => {
    expect(of('google', 0)).toMatchObject([
      { kind: 'started', stage_to: 0, reason: 'configured' },
      { kind: 'held', stage_from: 0, stage_to: 0, reason: expect.stringContaining('not known yet') as string },
    ])
    expect(of('google', 1)).toMatchObject([{ kind: 'advanced', stage_from: 0, stage_to: 1 }])
    expect(days.slice(0, 7).map(({ stages }) => stages.google)).toEqual([0, 0, 1, 2, 3, 4, 5])
  })

  it('hold where too little was sent', () => {
    expect(of('google', 6)).toMatchObject([{ kind: 'held', reason: expect.stringContaining('too little') as string }])
    expect(days[7]?.stages.google).toBe(days[6]?.stages.google)
  })

  it('step back where receivers slow them down, with the figures it was decided by', () => {
    expect(of('google', 8)).toMatchObject([
      { kind: 'stepped_back', reason: expect.stringMatching(/^throttled .* limit 10/) as string },
    ])
    expect(of('google', 8)[0]?.throttled).toBeGreaterThan(20)
    expect(days[9]?.stages.google).toBe((days[8]?.stages.google ?? 0) - 1)
  })

  it('step back at once where the address is blocked, towards that provider alone, and once a day', () => {
    const stage = days[14]?.stages.google ?? 0
    expect(of('google', 14)[0]).toMatchObject({
      kind: 'stepped_back',
      stage_from: stage,
      stage_to: stage - 1,
      reason: 'blocked',
    })
    expect(of('google', 14).filter(({ kind }) => kind === 'stepped_back')).toHaveLength(1)
    expect(days[14]?.sent.google).toBeLessThanOrEqual(plans['quick']?.stages[stage - 1] ?? 0)
    expect(of('*', 14)).toMatchObject([{ kind: 'advanced' }])
  })

  it('step back where recipients complain', () => {
    expect(of('google', 16)).toMatchObject([
      { kind: 'stepped_back', reason: expect.stringContaining('complained') as string },
    ])
  })

  it('let the warm source take what the allowance does not, or let it wait where none is open', () => {
    const google = days.map(({ sent, most }) => sent.google / most.google)
    expect(google[2]).toBeGreaterThan(0.9)
    expect(days[2]?.overflowed).toBeGreaterThan(0)
    // Alone: nothing overflows and everything else waits.
    expect(days[18]?.overflowed).toBe(0)
    expect(days[18]?.left).toBeGreaterThan(days[17]?.left ?? 0)
    // The rule of the others is to wait: never by the warm source.
    expect(world.overflowed.every(({ provider }) => provider === 'google')).toBe(true)
  })

  it('restart lower after two idle weeks', () => {
    const restarted = events.filter(({ kind, provider }) => kind === 'restarted' && provider === 'google')
    expect(restarted).toMatchObject([{ day: dateOf(35), reason: 'no mail for 14 days' }])
    expect(restarted[0]?.stage_to).toBe((restarted[0]?.stage_from ?? 0) - 3)
    expect(days[38]?.stages.google).toBeLessThan(days[21]?.stages.google ?? 0)
  })

  it('outlive the loss of Redis, and of Redis and every memory: no stage is lost and none begins anew', () => {
    expect(events.filter(({ kind }) => kind === 'started')).toHaveLength(2)
    for (const index of [12, 20]) {
      const before = days[index - 1]
      const after = days[index]
      for (const provider of both) {
        expect(Math.abs((after?.stages[provider] ?? 0) - (before?.stages[provider] ?? 0))).toBeLessThanOrEqual(1)
      }
    }
  })

  it('are decided once, whoever believes to lead', () => {
    const decided = events.filter(({ kind, reason }) => kind !== 'started' && reason !== 'blocked')
    const names = decided.map(({ provider, day: ofDay }) => `${provider} ${ofDay}`)
    expect(new Set(names).size).toBe(names.length)
  })
})
