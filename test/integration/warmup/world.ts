// A source that is warmed up, in accelerated time: the clock is the test's, everything that decides is real. Mail
// arrives and asks the worker's closure and the admission script; what came of it goes into ClickHouse; two sidecars,
// both of which believe that they lead, close the days and publish in Redis.

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'

import type { ClickHouseClient } from '@clickhouse/client'
import type { Redis } from 'ioredis'
import { expect, vi } from 'vitest'

import { readEgress } from '@sluice/core/config/egress'
import { readShaping } from '@sluice/core/config/shaping'
import { redisKeys } from '@sluice/core/redis/keys'
import { takeToken } from '@sluice/core/shaping/pace'
import { day, hour } from '@sluice/core/shaping/rate'
import { dayOf } from '@sluice/core/warmup/allowance'
import type { Warmup as Entry } from '@sluice/core/warmup/document'
import { readPlans } from '@sluice/core/warmup/plan'
import type { RedisServer } from '@sluice/run/redis'
import { silent } from '@sluice/sidecar/log'
import { connectRedis } from '@sluice/sidecar/redis/connection'
import { rowOf } from '@sluice/sidecar/warmup/history'
import { WarmupKeeper } from '@sluice/sidecar/warmup/keeper'
import { WarmupStore } from '@sluice/sidecar/warmup/store'
import { laneKey, type Configuration } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../../../plugins/egress/candidate'
import { SharedAdmission } from '../../../plugins/egress/lane/admission'
import type { WarmupRule } from '../../../plugins/egress/lane/ruling'
import { RedisLink } from '../../../plugins/egress/redis/link'
import { Warmup } from '../../../plugins/egress/warmup/warmup'
import { insertOutcomes, outcome, type Row } from '../score/outcomes'

export const keys = redisKeys('figure6')

/** Small figures that grow by an eighth; the gate knows after some dozens of messages. */
export const plans = Object.fromEntries(
  readPlans(
    'warmup.yaml',
    `
gate: { throttled: 0.1, blocked: 0.05, complained: 0.05 }
plans:
  quick:
    label: quick
    source: test
    scope: lane
    per: day
    stages: [${Array.from({ length: 30 }, (_, index) => Math.round(20 * 1.125 ** index)).join(', ')}]
`,
  ),
)
const shaping = readShaping(
  'shaping.yaml',
  `
streams: { receipts: { liking: 90 } }
warmup:
  - { source: new, plan: quick, providers: { google: 1 }, overflow: pool }
  - { source: new, plan: quick, providers: { '*': 1 }, overflow: wait }
`,
)
const egress = readEgress(
  'egress.yaml',
  `
sources:
  new: { ip: 127.0.1.1, ehlo: new.example.com }
  old: { ip: 127.0.1.2, ehlo: old.example.com }
pools:
  main: { new: 1, old: 1 }
streams:
  receipts: { pool: main, match: { sender_domain: shop.example.com } }
  news: { pool: main }
default_stream: news
`,
)
const configuration = { shaping, egress } as Configuration

export interface Sidecars {
  readonly store: WarmupStore
  readonly keeper: WarmupKeeper
}

const quiet = { notice: () => undefined, error: (text: string) => expect.fail(text) }
/** When mail comes and goes, ms of the day: every half hour of the office's day, then now and then. */
export const moments = [...Array.from({ length: 22 }, (_, index) => hour + (index * hour) / 2), 15 * hour, 23 * hour]

export interface Sent {
  readonly at: number
  readonly provider: string
  readonly stream: string
  /** Messages of the day after it, and how many its stream may use. */
  readonly used: number
  readonly limit: number
}

export class World {
  now: number
  /** By the source that is warmed up. */
  readonly sent: Sent[] = []
  readonly overflowed: { readonly at: number; readonly provider: string }[] = []
  waiting: { readonly provider: string; readonly stream: string }[] = []
  private readonly dues = new Map<string, number>()
  private readonly warmup: Warmup
  private looks = 0

  private constructor(
    readonly redis: Redis,
    private readonly link: RedisLink,
    readonly client: ClickHouseClient,
    readonly sidecars: Sidecars[],
    begin: number,
  ) {
    this.now = begin
    const now = () => this.now
    this.warmup = new Warmup({
      link,
      keys,
      log: quiet,
      laneProvider: (_source, provider) => provider,
      loadOf: () => ({ open: 0, minute: 0, busy: false }),
      workers: () => 1,
      reconsider: () => undefined,
      look: () => (this.looks += 1),
      now,
    })
    this.warmup.configure(configuration)
    this.admission = new SharedAdmission({
      link,
      keys,
      log: quiet,
      worker: 'w',
      workers: () => 1,
      heldIn: () => [],
      heldAt: () => [],
      now,
    })
  }

  private readonly admission: SharedAdmission

  static async begin(server: RedisServer, client: ClickHouseClient, begin: number): Promise<World> {
    const redis = connectRedis(server.url, silent)
    await once(redis, 'ready')
    const link = new RedisLink({ url: server.url, patienceMs: 5000 }, quiet)
    const sidecars: Sidecars[] = []
    const world = new World(redis, link, client, sidecars, begin)
    sidecars.push(world.sidecar('one'), world.sidecar('two'))
    world.warmup.start()
    link.open()
    await world.warmup.ready(5000)
    return world
  }

  /** Another sidecar that remembers nothing. */
  sidecar(id: string): Sidecars {
    const { redis, client } = this
    const store = new WarmupStore({
      redis,
      keys,
      client: () => client,
      plans: () => plans,
      record: (note, at, author) =>
        client.insert({ table: 'warmup_events', values: [rowOf(note, at, author)], format: 'JSONEachRow' }),
      log: silent,
      now: () => this.now,
    })
    const keeper = new WarmupKeeper({
      configuration: { current: { shaping, plans } } as unknown as ConstructorParameters<
        typeof WarmupKeeper
      >[0]['configuration'],
      store,
      redis,
      keys,
      client: () => client,
      leadership: { leading: true },
      id,
      log: silent,
    })
    return { store, keeper }
  }

  /** Both look at the same time; the worker has what they published when it is over. */
  async round(): Promise<void> {
    const looks = this.looks
    const before = await this.redis.get(keys.warmup)
    await Promise.all(this.sidecars.map(({ keeper }) => keeper.round()))
    for (const { keeper } of this.sidecars) expect(keeper.fault).toBe('')
    if ((await this.redis.get(keys.warmup)) === before) return
    await vi.waitFor(() => expect(this.looks).toBeGreaterThan(looks), { timeout: 10_000, interval: 2 })
  }

  async state(provider: string): Promise<Entry['state']> {
    const { warmups } = (await this.sidecars[0]?.store.read()) ?? { warmups: [] }
    const found = warmups.find((one) => one.provider === provider)
    if (!found) throw new Error(`no warm-up towards ${provider}`)
    return found.state
  }

  /** `count` mails arrive for a provider, each fourth of the stream that is liked best. */
  arrive(provider: string, count: number): void {
    for (let n = 0; n < count; n++) this.waiting.push({ provider, stream: n % 4 === 0 ? 'receipts' : 'news' })
  }

  /** Everybody who waits tries once. @param oldOpen whether the pool's warm source is open */
  async go(oldOpen = true): Promise<void> {
    const left: typeof this.waiting = []
    // Who is like one that has to wait waits behind it.
    const refused = new Set<string>()
    for (const mail of this.waiting) {
      const alike = `${mail.provider}|${mail.stream}`
      if (refused.has(alike) || !(await this.leave(mail, oldOpen))) left.push(mail)
      if (left.at(-1) === mail) refused.add(alike)
    }
    this.waiting = left
  }

  private async leave(mail: { readonly provider: string; readonly stream: string }, oldOpen: boolean) {
    const { provider, stream } = mail
    const { now } = this
    const lane = { source: 'new', provider, key: laneKey('new', provider) }
    const candidate = { destination: { provider }, stream } as unknown as Candidate
    const closed = this.warmup.closure.closed(candidate, now)
    if (closed === 'all' || closed.has('new')) {
      expect(this.warmup.closure.opensAt(candidate, now)).toBeGreaterThan(now)
      if (!oldOpen) return false
      this.overflowed.push({ at: now, provider })
      return true
    }
    const rule = this.warmup.warmupOf(lane, stream, now)
    if (!rule) {
      this.sent.push({ at: now, provider, stream, used: 0, limit: Infinity })
      return true
    }
    // Redis' clock is the real one: the pace is kept by the test's.
    const due = takeToken(this.dues.get(rule.counter) ?? 0, rule.pace, now)
    if (!due.taken) return false
    const used = await this.take(lane, rule)
    if (used === undefined) return false
    this.dues.set(rule.counter, due.due)
    const next = takeToken(due.due, rule.pace, now)
    if (rule.counter === provider) {
      this.warmup.counted(lane, { day: rule.day, used, wait_ms: next.taken ? 0 : next.wait_ms })
    }
    this.sent.push({ at: now, provider, stream, used, limit: rule.limit })
    return true
  }

  private async take(lane: { source: string; provider: string; key: string }, rule: WarmupRule) {
    if (rule.counter !== lane.provider) {
      const unpaced = { ...rule, pace: { interval: 0, tolerance: 0 } }
      if ((await this.warmup.take(lane, unpaced, 1)).taken === 0) return undefined
      return this.counted(rule.counter, rule.day)
    }
    const answer = await this.admission.admit({
      lane,
      rules: () => ({ lane_cap: 1, total_cap: undefined, paces: [], warmup: rule }),
      ids: [],
      messages: 1,
      accepted: 0,
      tell: false,
    })
    if (answer.messages === 0) this.warmup.counted(lane, { day: rule.day, used: answer.used, wait_ms: 0 })
    return answer.messages === 1 ? answer.used : undefined
  }

  async counted(counter: string, ofDay: number): Promise<number> {
    return Number(await this.redis.get(keys.warmed('new', counter, ofDay)))
  }

  /** What became of today's mail so far, as the receivers said it. */
  async report(rows: readonly Row[]): Promise<void> {
    await insertOutcomes(
      this.client,
      rows.map((row) => outcome({ id: randomUUID(), source: 'new', ...row })),
    )
  }

  sentOn(ofDay: number, governed: (provider: string) => boolean): Sent[] {
    return this.sent.filter(({ at, provider }) => dayOf(at) === ofDay && governed(provider))
  }

  at(ofDay: number, ms: number): void {
    this.now = ofDay * day + ms
  }

  end(): void {
    this.warmup.stop()
    this.link.close()
    this.redis.disconnect()
  }
}
