// The admission scripts on a real Redis beside the model (core/lane/admission.ts): random admissions, repeated requests,
// releases (twice too, and of messages that were never sent), renewals and expiries, interleaved over two lanes of one
// provider. The scripts are the real ones but for their clock, which is turned by the test: every answer must be the
// model's to the millisecond. SLUICE_ADMISSION_OPERATIONS=1000000 makes it a long run.

import {
  admit,
  emptyAdmission,
  release,
  renew,
  type AdmissionRules,
  type AdmissionState,
  type NamedPace,
} from '@sluice/core/lane/admission'
import { redisKeys } from '@sluice/core/redis/keys'
import { paceOf } from '@sluice/core/shaping/pace'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { Redis, type ChainableCommander } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { readScripts, type AdmitAnswer, type ScriptCommands } from '../../../plugins/egress/redis/scripts'

const operations = Number(process.env['SLUICE_ADMISSION_OPERATIONS'] ?? 8000)
const chunk = 1000
const ttl = 10_000
const keys = redisKeys('test')

const onTestClock = (lua: string): string =>
  lua.replaceAll("redis.call('TIME')", "redis.call('HMGET', 'clock', 's', 'us')")

type Client = Redis & ScriptCommands
let server: RedisServer
let redis: Client
let real: Client

beforeAll(async () => {
  server = await startRedis()
  const scripts = readScripts()
  real = new Redis(server.url, { scripts }) as Client
  const turned = Object.entries(scripts).map(([name, one]) => [name, { ...one, lua: onTestClock(one.lua) }] as const)
  redis = new Redis(server.url, { scripts: Object.fromEntries(turned) }) as Client
})
afterAll(async () => {
  redis.disconnect()
  real.disconnect()
  await server.stop()
})
beforeEach(() => real.flushall())

/** mulberry32 */
const diceOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let x = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
  return ((x ^ (x >>> 14)) >>> 0) / 4294967296
}

const pace = (where: 'lane' | 'total', unit: NamedPace['unit'], limit: number, window_ms: number): NamedPace => ({
  ...paceOf({ limit, window_ms }),
  name: `${where}:${unit}:0:${window_ms}`,
  unit,
  fresh_ms: 40,
})

/** Two lanes of one provider; what they share is kept once. */
class Model {
  private readonly lanes = [emptyAdmission, emptyAdmission]
  private total: AdmissionState['total'] = {}
  private totalDues: AdmissionState['dues'] = {}
  private readonly accepted = [new Map<number, number>(), new Map<number, number>()]

  admit(lane: number, rules: AdmissionRules, order: Parameters<typeof admit>[2], accepted: number): number[] {
    const answer = admit(this.stateOf(lane), rules, order)
    this.keep(lane, answer.state)
    const wait = answer.wait_ms === Infinity ? -1 : answer.wait_ms
    const used = rules.warmup ? answer.state.warmup.used : 0
    return [answer.granted, answer.messages, wait, answer.open, this.meter(lane, order.now, accepted), used]
  }

  release(lane: number, id: string, unsent: number | undefined): number {
    const before = this.stateOf(lane)
    const after = release(before, id, unsent)
    this.keep(lane, after)
    return after === before ? 0 : 1
  }

  renew(lane: number, ids: readonly string[], now: number): void {
    this.keep(lane, renew(this.stateOf(lane), ids, now, ttl))
  }

  leasesOf(lane: number): Readonly<Record<string, number>> {
    return this.stateOf(lane).lane
  }

  private stateOf(lane: number): AdmissionState {
    const own = this.lanes[lane] ?? emptyAdmission
    return { ...own, total: this.total, dues: { ...own.dues, ...this.totalDues } }
  }

  private keep(lane: number, state: AdmissionState): void {
    this.lanes[lane] = state
    this.total = state.total
    this.totalDues = Object.fromEntries(Object.entries(state.dues).filter(([name]) => name.startsWith('total:')))
  }

  private meter(lane: number, now: number, count: number): number {
    const spans = this.accepted[lane] ?? new Map<number, number>()
    const span = Math.floor(now / 5000)
    if (count > 0) spans.set(span, (spans.get(span) ?? 0) + count)
    let sum = 0
    for (const [one, counted] of spans) {
      const part = Math.min(1, one + 13 - now / 5000)
      if (part > 0) sum += part * counted
      else spans.delete(one)
    }
    return Math.floor(sum + 0.5)
  }
}

const admitArguments = (
  lane: string,
  rules: AdmissionRules,
  ids: readonly string[],
  messages: number,
  accepted: number,
): (string | number)[] => {
  const names = keys.lane(lane, 'one')
  const { lane_cap, total_cap = 0, warmup } = rules
  const paces = rules.paces.flatMap(({ name, unit, interval, tolerance }) => [
    `${name.startsWith('lane:') ? 'l' : 't'}${unit === 'message' ? 'm' : 'c'}`,
    name,
    interval,
    tolerance,
  ])
  return [
    ...[names.leases, names.totalLeases, names.paces, names.totalPaces, names.meter],
    keys.warmed(lane, 'one', warmup?.day ?? 0),
    ...[ttl, lane_cap, total_cap, warmup?.limit ?? -1, messages, accepted, '', '', rules.paces.length],
    ...paces,
    ...ids,
  ]
}

/** One operation on the script, in the pipeline, and on the model. */
const step = (
  pipeline: ChainableCommander & ScriptCommands,
  model: Model,
  dice: () => number,
  totalCap: number,
  now: number,
) => {
  const below = (n: number): number => Math.floor(dice() * n)
  const lane = below(2)
  const name = ['a', 'b'][lane] ?? ''
  const some = (most: number) => [...new Set(Array.from({ length: below(most + 1) }, () => `${name}${below(12)}`))]
  const day = Math.floor(now / 86_400_000)
  const { leases, totalLeases } = keys.lane(name, 'one')
  const kind = dice()
  if (kind < 0.3) {
    const id = `${name}${below(12)}`
    const unsent = below(2)
    const args = [keys.warmed(name, 'one', day), id, 3, totalCap, unsent, keys.leaseChannel, name] as const
    void pipeline.releaseLease(leases, totalLeases, ...args)
    return model.release(lane, id, unsent === 1 ? day : undefined)
  }
  if (kind < 0.4) {
    const ids = some(4)
    const known = model.leasesOf(lane)
    const forgotten = ids.filter((id) => known[id] === undefined).length
    void pipeline.renewLeases(leases, totalLeases, ttl, totalCap, ...ids)
    model.renew(lane, ids, now)
    return forgotten
  }
  const paces = [
    pace('lane', 'message', 5 + below(3) * 20, 1000),
    pace('lane', 'connection', 10, 1000),
    pace('total', 'message', 300, 60_000),
    pace('total', 'connection', 20, 1000),
    { ...pace('lane', 'message', 10, 1000), name: 'lane:message:warmup' },
  ]
  const warmup = dice() < 0.3 ? { day, limit: 20 + below(400) } : undefined
  const rules: AdmissionRules = {
    lane_cap: below(5),
    total_cap: totalCap || undefined,
    paces: paces.filter((one) => (one.name === 'lane:message:warmup' ? warmup !== undefined : dice() < 0.4)),
    warmup,
  }
  const [ids, messages, accepted] = [some(5), below(6), below(3)]
  void pipeline.admit(...admitArguments(name, rules, ids, messages, accepted))
  return model.admit(lane, rules, { now, ttl, ids, messages }, accepted)
}

/** What the model does not say: what a refusal was for, and the wait of the allowance's pace. */
const comparable = (answer: unknown): unknown => (Array.isArray(answer) ? answer.slice(0, 6) : answer)

test('random interleavings agree with the model', { timeout: 60_000 + operations }, async () => {
  for (let done = 0; done < operations; done += chunk) {
    const dice = diceOf(done + 1)
    const model = new Model()
    const totalCap = dice() < 0.7 ? 5 : 0
    await redis.flushall()
    let now = 1_800_000_000_000
    const pipeline = redis.pipeline() as ChainableCommander & ScriptCommands
    const expected: unknown[] = []
    for (let n = 0; n < chunk; n++) {
      // Mostly close together, sometimes so far apart that leases, minutes or a day are over.
      now += Math.floor(dice() ** 6 * 30_000) + (dice() < 0.002 ? 90_000_000 : 0)
      void pipeline.hset('clock', { s: Math.floor(now / 1000), us: (now % 1000) * 1000 })
      expected.push(step(pipeline, model, dice, totalCap, now))
    }
    const answers = ((await pipeline.exec()) ?? []).flatMap(([error, answer], at) =>
      at % 2 === 1 ? [error ?? answer] : [],
    )
    expect(answers.map(comparable), `seed ${done + 1}`).toEqual(expected)
  }
})

const ask = (ids: readonly string[], rules: Partial<AdmissionRules> = {}, life = ttl): Promise<AdmitAnswer> => {
  const args = admitArguments('a', { lane_cap: 2, total_cap: undefined, paces: [], ...rules }, ids, 0, 0)
  args[6] = life
  return real.admit(...args)
}
const giveBack = (id: string, cap = 2, totalCap = 0, unsent = 0) => {
  const { leases, totalLeases } = keys.lane('a', 'one')
  return real.releaseLease(
    leases,
    totalLeases,
    keys.warmed('a', 'one', 7),
    id,
    cap,
    totalCap,
    unsent,
    keys.leaseChannel,
    'a|one',
  )
}

test('a repeated request holds one slot, takes nothing twice and answers the same', async () => {
  const paces = [pace('lane', 'message', 100, 60_000)]
  expect((await ask(['x', 'y'], { paces }))[0]).toBe(2)
  const due = await real.hgetall(keys.lane('a', 'one').paces)
  expect((await ask(['x', 'y'], { paces }))[0]).toBe(2)
  expect(await real.hgetall(keys.lane('a', 'one').paces)).toEqual(due)
  const [granted, , wait, open, , , full] = await ask(['z'], { paces })
  expect([granted, open, full]).toEqual([0, 2, 1])
  expect(wait).toBeGreaterThan(ttl - 1000)
})

test('a release is idempotent, and is told only where the lane or the provider was full', async () => {
  const told: string[] = []
  const listener = new Redis(server.url)
  await listener.subscribe(keys.leaseChannel)
  listener.on('message', (_channel, text) => told.push(text))
  await ask(['x', 'y'])
  expect(await giveBack('x')).toBe(1)
  expect(await giveBack('x')).toBe(0)
  expect(await giveBack('y')).toBe(1)
  expect(await giveBack('nobody')).toBe(0)
  await ask(['x'], { total_cap: 1 })
  expect(await giveBack('x', 2, 1)).toBe(1)
  await listener.unsubscribe()
  expect(told).toEqual(['freed a|one', 'vacated a|one'])
  listener.disconnect()
})

test('who finds no room tells the others, for the lane or for the provider as a whole', async () => {
  const told: string[] = []
  const listener = new Redis(server.url)
  await listener.subscribe(keys.leaseChannel)
  listener.on('message', (_channel, text) => told.push(text))
  const crowd = (rules: Partial<AdmissionRules>) => {
    const args = admitArguments('a', { lane_cap: 2, total_cap: undefined, paces: [], ...rules }, ['x', 'y', 'z'], 0, 0)
    return real.admit(...args.with(12, keys.leaseChannel).with(13, 'worker a|one'))
  }
  await crowd({})
  await real.flushall()
  await crowd({ total_cap: 1 })
  // Nobody's lease would help a rate.
  await real.flushall()
  await crowd({ paces: [pace('lane', 'message', 1, 1000)] })
  await listener.unsubscribe()
  expect(told).toEqual(['wanted 1 worker a|one', 'crowded 2 worker a|one'])
  listener.disconnect()
})

test('what haraka-plugin-limit gets wrong: a lost hook leaks no slot', async () => {
  // The connection's hooks never come; its holder is dead and renews nothing.
  expect((await ask(['lost'], { lane_cap: 1 }, 50))[0]).toBe(1)
  const [refused, , wait] = await ask(['next'], { lane_cap: 1 }, 50)
  expect(refused).toBe(0)
  expect(wait).toBeLessThanOrEqual(50)
  await expect.poll(async () => (await ask(['next'], { lane_cap: 1 }, 50))[0], { interval: 5 }).toBe(1)
})

test('what haraka-plugin-limit gets wrong: no count ever goes below zero', async () => {
  const warmup = { day: 7, limit: 5 }
  await ask(['x'], { warmup })
  for (let n = 0; n < 5; n++) await giveBack('x', 2, 0, 1)
  for (let n = 0; n < 5; n++) await giveBack('never held', 2, 0, 1)
  expect(Number(await real.get(keys.warmed('a', 'one', 7)))).toBe(0)
  // So no more than the limit fit afterwards.
  expect((await ask(['a', 'b', 'c'], { lane_cap: 2 }))[0]).toBe(2)
})

test('what haraka-plugin-limit gets wrong: a connection that outlives its count is counted again', async () => {
  const { leases, totalLeases } = keys.lane('a', 'one')
  expect((await ask(['long'], { lane_cap: 1, total_cap: 1 }))[0]).toBe(1)
  // Redis forgets (its lease expired while its holder was away, or Redis was restarted empty), the connection lives on.
  await real.flushall()
  expect(await real.renewLeases(leases, totalLeases, ttl, 1, 'long')).toBe(1)
  expect((await ask(['next'], { lane_cap: 1, total_cap: 1 }))[0]).toBe(0)
  expect((await ask(['next'], { lane_cap: 5, total_cap: 1 }))[0]).toBe(0)
})

test('heartbeats count the workers that are alive', async () => {
  expect(await real.heartbeat(keys.workers, 'w1', 10_000)).toBe(1)
  expect(await real.heartbeat(keys.workers, 'w2', 10_000)).toBe(2)
  expect(await real.heartbeat(keys.workers, 'w2', 10_000)).toBe(2)
  await real.zincrby(keys.workers, -20_000, 'w1')
  expect(await real.heartbeat(keys.workers, 'w2', 10_000)).toBe(1)
})

test('every key of a provider has one hash tag', () => {
  const tagsOf = (source: string) =>
    [...Object.values<string>({ ...keys.lane(source, 'o{n}e') }), keys.warmed(source, 'o{n}e', 1)].map(
      (key) => /^[^{}]*\{([^{}]+)\}[^{}]*$/.exec(key)?.[1],
    )
  expect(new Set([...tagsOf('a'), ...tagsOf('{b}')])).toEqual(new Set(['p:o_n_e']))
})
