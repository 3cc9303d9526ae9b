// Operators see and steer what waits, over HTTP, on a real Haraka, Redis and sidecar.

import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'

import { startRedis } from '@sluice/run/redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import type { ParkedGroup, ParkedMail } from '@sluice/core/parked/exchange'
import { redisKeys } from '@sluice/core/redis/keys'

import { startSluice, type SluiceOptions, type SluiceStack } from '../../harness/sluice'
import { submit } from '../../harness/submit'
import { because, Running } from '../http/running'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.34.1.1 }]
    service: { starttls: false }
  two:
    domains: [two.test]
    mx: [{ host: mx.two.test, address: 127.34.2.1 }]
    service: { starttls: false }
  home:
    domains: [sender.test]
    mx: [{ host: mx.sender.test, address: 127.34.3.1 }]
    service: { starttls: false }
`
const egress = `
sources:
  a: { ip: 127.34.9.1, ehlo: a.sender.test }
  b: { ip: 127.34.9.2, ehlo: b.sender.test }
  c: { ip: 127.34.9.3, ehlo: c.sender.test }
pools:
  main: { a: 1 }
  spare: { b: 1 }
  bounces: { c: 1 }
streams:
  bulk: { pool: main }
  letters: { match: { header: { X-Kind: letter } }, pool: main }
  own: { match: { sender_domain: [nobody.test] }, pool: bounces }
default_stream: bulk
`

const run = promisify(execFile)
const cli = path.join(__dirname, '../../../sidecar/bin/sluice.cjs')

interface List {
  workers: number
  incomplete: string[]
  waiting: number
  matched: number
  groups: ParkedGroup[]
  mails: ParkedMail[]
}
interface Changed {
  incomplete: string[]
  matched: number
  done: number
  refused: Record<string, number>
}

const start = async (options: Partial<SluiceOptions> = {}) => {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const stack = await startSluice({ internet, egress, redis, ...options })
  const sidecar = await Running.start({ redisUrl: redis.url, egress })
  onTestFinished(() => sidecar.end())
  const list = async (query = ''): Promise<List> => (await sidecar.ask(`/v1/parked${query}`)).json<List>()
  const change = async (verb: string, body: object): Promise<Changed> =>
    (await sidecar.post(`/v1/parked/${verb}`, { ...because, ...body })).json<Changed>()
  const parked = (count: number): Promise<void> =>
    vi.waitFor(async () => expect((await list()).waiting).toBe(count), { timeout: 15_000, interval: 100 })
  const sluice = async (...args: string[]) => (await run(process.execPath, [cli, '-c', sidecar.folder, ...args])).stdout
  return { stack, sidecar, list, change, parked, sluice }
}

const send = async (stack: SluiceStack, domain: string, count: number, headers: Record<string, string> = {}) => {
  for (let n = 1; n <= count; n++) await submit(stack.haraka.port, { to: `user${n}@${domain}`, headers })
}

const suspend = (stack: SluiceStack, version: number, source?: string) =>
  stack.publish({ version, suspensions: source ? [{ id: 's', source, ...because, since: 0 }] : [] })

test('what waits is listed with its reason, moved, dropped with and without a bounce message, and accounted for', async () => {
  const { stack, sidecar, list, change, parked, sluice } = await start()
  await suspend(stack, 1, 'a')
  await send(stack, 'one.test', 4, { 'X-Sluice-Tenant': 'acme', 'X-Sluice-Campaign': 'spring' })
  await send(stack, 'one.test', 2, { 'X-Kind': 'letter' })
  await send(stack, 'two.test', 3)
  await parked(9)

  const all = await list('?sample=3')
  expect(all).toMatchObject({ workers: 1, incomplete: [], waiting: 9, matched: 9 })
  expect(all.groups).toMatchObject([
    {
      count: 4,
      provider: 'one.test',
      stream: 'bulk',
      tenant: 'acme',
      campaign: 'spring',
      reason: 'suspended',
      source: '',
    },
    { count: 3, provider: 'two.test', stream: 'bulk', tenant: '' },
    { count: 2, provider: 'one.test', stream: 'letters' },
  ])
  expect(all.mails).toHaveLength(3)
  expect(all.mails[0]).toMatchObject({ domain: 'one.test', recipients: 1, attempts: 0, stream: 'bulk' })
  expect((await list('?campaign=spring')).matched).toBe(4)

  // A filter that says nothing and a target that does not exist are refused; nothing is done.
  for (const [verb, body, key] of [
    ['drop', { filter: {}, bounce: false }, 'filter'],
    ['move', { filter: {}, to: { pool: 'spare' } }, 'filter'],
    ['move', { filter: { stream: 'bulk' }, to: { pool: 'none' } }, 'to.pool'],
    ['move', { filter: { stream: 'bulk' }, to: { pool: 'spare', source: 'a' } }, 'to.source'],
    ['drop', { filter: { stream: 'bulk' }, bounce: false, reason: undefined }, 'reason'],
  ] as const) {
    const answer = await sidecar.post(`/v1/parked/${verb}`, { ...because, ...body })
    expect([answer.status, answer.problem().details?.[0]?.key]).toEqual([400, key])
  }
  expect(await sluice('parked', 'list', '--tenant', 'acme')).toMatch(/^4 of 9 that wait at 1 workers[^]+suspended/)
  expect(await sluice('parked', 'flush', '--provider', 'one.test', '--reason', 'test')).toBe('6 of 6\n')
  await parked(9)

  expect(await change('move', { filter: { stream: 'letters' }, to: { source: 'b' } })).toMatchObject({
    matched: 2,
    done: 2,
  })
  const moved = await stack.recorded('delivered', 2)
  expect(moved.map(({ pool, source, stream }) => [pool, source, stream])).toEqual(
    Array(2).fill(['spare', 'b', 'letters']),
  )

  expect(await change('drop', { filter: { tenant: 'acme' }, bounce: false })).toMatchObject({ matched: 4, done: 4 })
  const dropped = await stack.recorded('dropped', 4)
  expect(dropped.every((one) => one.class_rule === 'operator/drop' && one.campaign === 'spring')).toBe(true)
  await vi.waitFor(async () => expect(await stack.haraka.queue()).toHaveLength(3))

  // The senders' bounce messages go out by a pool of their own.
  await stack.publish({
    version: 2,
    suspensions: [{ id: 's', source: 'a', provider: 'two.test', ...because, since: 0 }],
  })
  await stack.haraka.logged(/routing document 2/)
  const bounced = await change('drop', {
    filter: { provider: 'two.test' },
    bounce: true,
    reason: 'recalled by accounting',
  })
  expect(bounced).toMatchObject({ matched: 3, done: 3, incomplete: [] })
  const home = () => stack.lab.truth.recipients().filter((fact) => fact.provider === 'home')
  await vi.waitFor(() => expect(home()).toHaveLength(3), { timeout: 15_000 })
  const ended = await stack.recorded('dropped', 7)
  expect(
    ended.filter((one) => one.class_rule === 'operator/bounce' && one.reply === 'recalled by accounting'),
  ).toHaveLength(3)
  await vi.waitFor(async () => expect(await stack.haraka.queue()).toEqual([]), { timeout: 5000 })
  const accepted = (await stack.records()).filter(({ kind }) => kind === 'accepted').map(({ message_id }) => message_id)
  const over = (await stack.records()).filter(({ kind }) => kind === 'delivered' || kind === 'dropped')
  const fates = over.map(({ message_id }) => message_id).filter((id) => accepted.includes(id))
  expect(fates.toSorted()).toEqual(accepted.toSorted())

  const { entries } = (await sidecar.ask('/v1/audit')).json<{
    entries: { action: string; state: string; details: object }[]
  }>()
  expect(entries.map(({ action, state }) => `${action} ${state}`)).toEqual([
    'drop done',
    'drop done',
    'move done',
    'flush done',
  ])
  expect(entries[0]?.details).toMatchObject({ filter: { provider: 'two.test' }, bounce: true, matched: 3, done: 3 })
})

test('mail that waits in a full lane is moved within the limits of where it goes; a silent worker is named', async () => {
  const slow = 'service: { starttls: false }\n    latency: { dot: 700 }'
  const { stack, list, change, parked } = await start({
    internet: internet.replace('service: { starttls: false }', slow),
    limits: 'connection_limit: 1',
  })
  await send(stack, 'one.test', 4)
  await parked(3)
  expect((await list()).groups).toMatchObject([{ count: 3, source: 'a', provider: 'one.test', reason: 'lane' }])
  expect((await list('?source=b')).matched).toBe(0)
  expect(await change('move', { filter: { source: 'a' }, to: { pool: 'spare' } })).toMatchObject({ done: 3 })
  await stack.recorded('delivered', 1)
  expect((await list()).groups).toMatchObject([{ source: 'b', reason: 'lane' }])
  const delivered = await stack.recorded('delivered', 4)
  expect(delivered.filter(({ source }) => source === 'b')).toHaveLength(3)
  // One at a time there, too.
  const times = delivered.filter(({ source }) => source === 'b').map(({ at }) => at)
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1200)

  const client = new Redis(stack.redis.url)
  onTestFinished(() => client.disconnect())
  await client.zadd(redisKeys().workers, Date.now() + 60_000, 'silent:1:00')
  expect(await list()).toMatchObject({ workers: 1, incomplete: ['silent:1:00'], waiting: 0 })
})
