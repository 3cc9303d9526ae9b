// What the routing document says holds on a real Haraka, within a second, and ends by time alone; mail for which every
// source is closed waits and is not failed.

import { expect, test, vi } from 'vitest'

import { startSluice, type SluiceStack } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.32.1.1 }]
    service: { starttls: false }
  two:
    domains: [two.test]
    mx: [{ host: mx.two.test, address: 127.32.2.1 }]
    service: { starttls: false }
`
const egress = `
sources:
  a: { ip: 127.32.9.1, ehlo: a.sender.test }
  b: { ip: 127.32.9.2, ehlo: b.sender.test }
  c: { ip: 127.32.9.3, ehlo: c.sender.test }
pools:
  main: { a: 3, b: 1 }
  spare: { c: 1 }
streams:
  bulk: { pool: main }
  urgent: { match: { header: { X-Kind: urgent } }, pool: main, fallback: [spare] }
default_stream: bulk
`
const author = { author: 'test', reason: 'test' }

let sent = 0
const send = (stack: SluiceStack, domain: string, count: number, headers: Record<string, string> = {}) =>
  Promise.all(
    Array.from({ length: count }, () => submit(stack.haraka.port, { to: `user${++sent}@${domain}`, headers })),
  )

const sourcesSeen = (stack: SluiceStack, provider: string): string[] => [
  ...new Set(
    stack.lab.truth
      .recipients()
      .filter((fact) => fact.provider === provider)
      .map((fact) => fact.ehlo[0] ?? ''),
  ),
]

test('an override to 0 moves all traffic of one provider within a second, and its end moves it back', async () => {
  const stack = await startSluice({ internet, egress })
  await send(stack, 'one.test', 1)
  await stack.recorded('delivered', 1)
  stack.lab.truth.clear()

  const until = Date.now() + 4000
  await stack.publish({
    version: 1,
    overrides: [{ ...author, id: 'o', source: 'a', provider: 'one.test', weight: 0, since: 0, until }],
  })
  await stack.haraka.logged(/routing document 1/, 1000)
  await Promise.all([send(stack, 'one.test', 60), send(stack, 'two.test', 60)])
  await stack.recorded('delivered', 121)
  expect(sourcesSeen(stack, 'one')).toEqual(['b'])
  expect(sourcesSeen(stack, 'two').toSorted()).toEqual(['a', 'b'])
  const records = await stack.recorded('delivered', 121)
  expect(records.filter((one) => one.routing_version === 1 && one.source === 'b' && one.propensity === 1)).toHaveLength(
    60,
  )

  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(until), { timeout: 6000, interval: 50 })
  stack.lab.truth.clear()
  await send(stack, 'one.test', 60)
  await stack.recorded('delivered', 181)
  expect(sourcesSeen(stack, 'one').toSorted()).toEqual(['a', 'b'])
})

test('mail waits while all sources are suspended, goes when one is open again, and survives a restart', async () => {
  const stack = await startSluice({ internet, egress })
  const suspensions = ['a', 'b'].map((source) => ({ ...author, id: source, source, since: 0 }))
  await stack.publish({ version: 1, suspensions })
  await send(stack, 'one.test', 20)
  await send(stack, 'one.test', 3, { 'X-Kind': 'urgent' })
  const urgent = await stack.recorded('delivered', 3)
  expect(urgent.every((one) => one.pool === 'spare' && one.source === 'c' && one.stream === 'urgent')).toBe(true)
  expect(await stack.haraka.queue()).toHaveLength(20)

  await stack.haraka.kill()
  await stack.restart()
  expect(await stack.haraka.queue()).toHaveLength(20)
  await stack.publish({ version: 2, suspensions: suspensions.slice(0, 1) })
  const all = await stack.recorded('delivered', 23)
  const bulk = all.filter((one) => one.stream === 'bulk')
  expect(bulk).toHaveLength(20)
  expect(bulk.every((one) => one.source === 'b' && one.attempt === 1)).toBe(true)
  expect((await stack.records()).filter((one) => one.kind === 'deferred')).toEqual([])
  // The tag was written into the queue file: the ids are those of acceptance.
  const accepted = new Set((await stack.recorded('accepted', 23)).map((one) => one.message_id))
  expect(all.every((one) => accepted.has(one.message_id))).toBe(true)
})

test('a suspended provider or pool keeps its mail parked, not failed, and lets it go when the suspension lapses', async () => {
  const stack = await startSluice({ internet, egress })
  const suspensions = [
    { ...author, id: 'p', provider: 'one.test', since: 0 },
    { ...author, id: 'q', pool: 'main', since: 0 },
  ]
  await stack.publish({ version: 1, suspensions })
  for (const kind of ['', 'urgent']) {
    await send(stack, 'one.test', 5, { 'X-Kind': kind })
    await send(stack, 'two.test', 5, { 'X-Kind': kind })
  }
  // Its fallback pool is open, but not towards the suspended provider.
  const early = await stack.recorded('delivered', 5)
  expect(early.every((one) => one.pool === 'spare' && one.provider === 'two.test')).toBe(true)
  await vi.waitFor(async () => expect(await stack.haraka.queue()).toHaveLength(15), { timeout: 10_000 })

  const until = Date.now() + 1500
  await stack.publish({ version: 2, suspensions: suspensions.map((one) => ({ ...one, until })) })
  const all = await stack.recorded('delivered', 20)
  const late = all.filter(({ id }) => !early.some((one) => one.id === id))
  expect(late).toHaveLength(15)
  expect(late.every(({ at, attempt }) => at >= until && attempt === 1)).toBe(true)
  expect((await stack.records()).filter((one) => one.kind === 'deferred')).toEqual([])
})

test('waiting mail follows the weights: what is parked for a source that is suspended leaves by another one', async () => {
  const slow = 'service: { starttls: false }\n    latency: { dot: 300 }'
  const stack = await startSluice({
    internet: internet.replace('service: { starttls: false }', slow),
    egress,
    limits: 'connection_limit: 1',
  })
  await send(stack, 'one.test', 12)
  await stack.publish({ version: 1, suspensions: [{ ...author, id: 's', source: 'a', since: 0 }] })
  await stack.haraka.logged(/routing document 1/)
  const before = stack.lab.truth.recipients().length
  await stack.recorded('delivered', 12, 30_000)
  // One message of `a` may have been under way.
  const after = stack.lab.truth.recipients().slice(before)
  expect(after.filter((fact) => fact.ehlo.startsWith('a.')).length).toBeLessThanOrEqual(1)
  expect(after.length).toBeGreaterThan(4)
})

test('an invalid document changes nothing and is said', async () => {
  const stack = await startSluice({ internet, egress })
  await send(stack, 'one.test', 1)
  await stack.recorded('delivered', 1)
  await stack.publishText('{"version": 2, "pools": "none"}')
  await stack.haraka.logged(/SLUICE_REDIS_CONTENT/)
  await send(stack, 'one.test', 1)
  await stack.recorded('delivered', 2)
})
