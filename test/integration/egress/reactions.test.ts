// What receivers say, on real Harakas that share a Redis: a block closes exactly one source at exactly one provider on
// all workers within a second and lets it come back half-open; an undo opens it everywhere; what blames recipients or
// content closes nothing; no rule closes more than it may.

import type { LaneAction } from '@sluice/core/lane/action'
import { parseAction } from '@sluice/core/lane/action-log'
import { redisKeys } from '@sluice/core/redis/keys'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import { HarakaProcess } from '../../harness/haraka'
import { harakaOptions, startSluice, type SluiceOptions, type SluiceStack } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.37.1.1 }]
    service: { starttls: false }
    latency: { dot: 10 }
  two:
    domains: [two.test]
    mx: [{ host: mx.two.test, address: 127.37.2.1 }]
    service: { starttls: false }
    latency: { dot: 10 }
`
const egress = `
sources:
  a: { ip: 127.37.8.1, ehlo: a.sender.test }
  b: { ip: 127.37.9.1, ehlo: b.sender.test }
pools:
  main: { a: 1, b: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`
const a = '127.37.8.1'

interface Fleet {
  readonly stack: SluiceStack
  readonly harakas: readonly HarakaProcess[]
  readonly redis: Redis
  /** Sends a message by each worker in turn until told to stop; resolves when the last one is accepted. */
  keepSending(domains: readonly string[], everyMs: number): { stop: () => Promise<void> }
  send(to: readonly string[]): Promise<void>
  actions(): Promise<LaneAction[]>
}

const startFleet = async (limits: string, further = 1, options: Partial<SluiceOptions> = {}): Promise<Fleet> => {
  const shaping = { internet, egress, limits, ...options }
  const stack = await startSluice(shaping)
  const more = await Promise.all(
    Array.from({ length: further }, () => HarakaProcess.start(harakaOptions(shaping, stack.lab, stack.redis))),
  )
  const redis = new Redis(stack.redis.url)
  onTestFinished(async () => {
    redis.disconnect()
    await Promise.all(more.map((one) => one.stop()))
  })
  const harakas = [stack.haraka, ...more]
  let sent = 0
  const sendOne = (to: string) => submit(harakas[sent++ % harakas.length]?.port ?? 0, { to })
  return {
    stack,
    harakas,
    redis,
    send: async (to) => {
      await Promise.all(to.map(sendOne))
    },
    keepSending: (domains, everyMs) => {
      const all: Promise<unknown>[] = []
      const timer = setInterval(() => {
        for (const domain of domains) all.push(sendOne(`user${sent}@${domain}`))
      }, everyMs)
      const stop = async () => {
        clearInterval(timer)
        await Promise.all(all)
      }
      onTestFinished(stop)
      return { stop }
    },
    actions: async () => Object.values(await redis.hgetall(redisKeys().actionLog)).map(parseAction),
  }
}

const until = (assertion: () => void | Promise<void>, timeout = 40_000) =>
  vi.waitFor(assertion, { timeout, interval: 20 })

/** When a source was seen at a provider, ms since 1970. `refused`: before any recipient was named. */
const timesOf = ({ stack }: Fleet, provider: string, ip: string, what: 'refused' | 'opened' | 'recipient') =>
  stack.lab.truth
    .after(0)
    .filter((fact) => fact.provider === provider && fact.client_ip === ip)
    .filter((fact) => {
      if (fact.kind === 'connection') return what === fact.what
      return what === (fact.kind === 'recipient' ? 'recipient' : 'refused')
    })
    .map(({ at }) => at)

test('a block closes one source at one provider on all workers, and it comes back half-open', async () => {
  const closeFor = 2000
  const fleet = await startFleet('connection_limit: 4\n  reaction: { close_for: 2s }', 1, { nodes: 2 })
  const { lab } = fleet.stack
  const traffic = fleet.keepSending(['one.test', 'two.test'], 40)
  await until(() => expect(timesOf(fleet, 'one', a, 'recipient').length).toBeGreaterThan(15))

  lab.block('one', a)
  await until(async () => expect((await fleet.actions()).filter(({ kind }) => kind === 'close')).not.toHaveLength(0))
  const [refused = 0] = timesOf(fleet, 'one', a, 'refused')
  // It stays closed for its time; then one connection asks, is refused, and the lane is closed twice as long.
  const later = (at: number) => at > refused + 1000
  await until(() => expect(timesOf(fleet, 'one', a, 'refused').filter(later)).not.toHaveLength(0))
  const [asked = 0, ...others] = timesOf(fleet, 'one', a, 'opened').filter(later)
  expect(asked).toBeGreaterThanOrEqual(refused + closeFor - 20)
  expect(others).toEqual([])
  expect(timesOf(fleet, 'one', a, 'recipient').filter(later)).toEqual([])
  expect(timesOf(fleet, 'two', a, 'recipient').filter(later).length).toBeGreaterThan(5)
  expect(timesOf(fleet, 'one', '127.37.9.1', 'recipient').filter(later).length).toBeGreaterThan(10)

  lab.unblock('one', a)
  await until(() => expect(timesOf(fleet, 'one', a, 'recipient').filter(later)).not.toHaveLength(0))
  const [again] = timesOf(fleet, 'one', a, 'opened').filter((at) => at > asked)
  expect(again).toBeGreaterThanOrEqual(asked + 2 * closeFor - 20)
  await until(async () => expect((await stateOf(fleet, 'lane|a|one.test'))?.gate.closings).toEqual([]))
  await traffic.stop()

  const [action] = (await fleet.actions()).filter(({ kind }) => kind === 'close')
  expect(action).toMatchObject({ scope: { kind: 'lane', name: 'a', provider: 'one.test' } })
  expect(action?.reason).toContain('ip_blocked')
  expect(action?.id).toBe(`${action?.rule}/${action?.evidence[0]}`)
  expect((await fleet.actions()).every(({ scope }) => scope.kind === 'lane' && scope.name === 'a')).toBe(true)
})

const stateOf = async ({ redis }: Fleet, scope: string) => {
  const text = await redis.hget(redisKeys().laneStates, scope)
  return text === null ? undefined : (JSON.parse(text) as { gate: { closings: unknown[] } })
}

test('an undo opens the lane at once on every worker, and what blames nobody of ours closes nothing', async () => {
  const fleet = await startFleet('connection_limit: 4\n  reaction: { close_for: 30m }')
  const { lab } = fleet.stack
  // Recipients and content: however often, no lane is slower for it.
  lab.change('two', {
    behaviour: {
      unknown_users: { share: 0.3 },
      full_mailboxes: { share: 0.4 },
      content: { markers: [{ contains: 'hello', reply: '550 5.7.1 Message rejected as spam by content filter' }] },
    },
  })
  await fleet.send(Array.from({ length: 20 }, (_, n) => `user${n}@two.test`))

  lab.block('one', a)
  await fleet.send(Array.from({ length: 12 }, (_, n) => `user${n}@one.test`))
  await until(async () => expect((await fleet.actions()).filter(({ kind }) => kind === 'close')).not.toHaveLength(0))
  await until(() => expect(lab.truth.tally.count({ provider: 'two' })).toBeGreaterThanOrEqual(20))
  const [action] = (await fleet.actions()).filter(({ kind }) => kind === 'close')
  expect((await fleet.actions()).every(({ scope }) => scope.name === 'a' && scope.provider === 'one.test')).toBe(true)
  lab.unblock('one', a)

  const keys = redisKeys()
  const at = Date.now()
  await fleet.redis.hsetnx(keys.actionsUndone, action?.id ?? '', JSON.stringify({ at, by: 'me', reason: 'a mistake' }))
  await fleet.redis.publish(keys.undoChannel, action?.id ?? '')
  await Promise.all(fleet.harakas.map((one) => one.logged(/is open again: .* was undone by me/, 10_000)))
  const before = lab.truth.newest
  await fleet.send(Array.from({ length: 30 }, (_, n) => `later${n}@one.test`))
  await until(() =>
    expect(
      new Set(lab.truth.after(before).flatMap((fact) => (fact.kind === 'recipient' ? [fact.client_ip] : []))),
    ).toEqual(new Set([a, '127.37.9.1'])),
  )
  // The record keeps the undo beside it, and the next block is another action.
  expect(await fleet.redis.hget(keys.actionsUndone, action?.id ?? '')).toContain('a mistake')
})

test('a rule closes no more scopes than it may within the hour', async () => {
  const many = Array.from({ length: 6 }, (_, n) => n + 1)
  const names = many.map((n) => `s${n}`)
  const sources = names.map((name, n) => `  ${name}: { ip: 127.37.${n + 20}.1, ehlo: ${name}.sender.test }`).join('\n')
  const weights = names.map((name) => `${name}: 1`).join(', ')
  const fleet = await startFleet('connection_limit: 4\n  reaction: { close_for: 30m, lanes_per_rule: 2 }', 1, {
    egress: `sources:\n${sources}\npools:\n  main: { ${weights} }\nstreams:\n  bulk: { pool: main }\ndefault_stream: bulk\n`,
  })
  for (const n of many) fleet.stack.lab.block('one', `127.37.${n + 19}.1`)
  await fleet.send(Array.from({ length: 80 }, (_, n) => `user${n}@one.test`))
  const scopesOf = async (kind: LaneAction['kind']) =>
    new Set((await fleet.actions()).filter((one) => one.kind === kind).map(({ scope }) => scope.name))
  await until(async () => expect((await scopesOf('withheld')).size).toBe(4))
  expect((await scopesOf('close')).size).toBe(2)

  // A worker that starts later finds them closed.
  const closed = await scopesOf('close')
  await fleet.stack.restart()
  const { lab } = fleet.stack
  for (const n of many) lab.unblock('one', `127.37.${n + 19}.1`)
  const before = lab.truth.newest
  await Promise.all(many.map((n) => submit(fleet.stack.haraka.port, { to: `late${n}@one.test` })))
  const late = () => lab.truth.after(before).filter((fact) => fact.kind === 'recipient' && fact.rcpt.startsWith('late'))
  await until(() => expect(late()).toHaveLength(6))
  const seen = new Set(lab.truth.after(before).map(({ client_ip }) => client_ip))
  for (const name of closed) expect(seen).not.toContain(`127.37.${Number(name.slice(1)) + 19}.1`)
})

test('a connection that has carried enough is closed, and nothing else follows from it', async () => {
  const fleet = await startFleet('connection_limit: 1\n  messages_per_connection: 100', 0)
  const { lab } = fleet.stack
  const reply = '450 4.7.0 Too many messages in this session'
  lab.change('one', { behaviour: { messages_per_connection: { max: 3, reply } } })
  await fleet.send(Array.from({ length: 10 }, (_, n) => `user${n}@one.test`))
  const mails = () => lab.truth.after(0).filter(({ kind }) => kind === 'recipient' || kind === 'message')
  await until(() => expect(mails()).toHaveLength(10))
  const refused = mails().filter(({ kind }) => kind === 'message')
  expect(refused.length).toBeGreaterThan(0)
  // The lab would go on refusing on the same connection: each is refused once.
  expect(new Set(refused.map(({ connection }) => connection)).size).toBe(refused.length)
  expect(await fleet.actions()).toEqual([])
})
