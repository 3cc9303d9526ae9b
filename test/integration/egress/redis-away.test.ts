// Redis away: mail goes on with the last document and local limits, nobody waits, nothing is lost; back in step when
// it returns. Also when it is not there at the start.

import { startRedis } from '@sluice/run/redis'
import { freePort } from '@sluice/run/port'
import { expect, onTestFinished, test } from 'vitest'

import { startSluice, type SluiceStack } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.36.1.1 }]
    service: { starttls: false }
    latency: { dot: 10 }
`
const egress = `
sources:
  a: { ip: 127.36.9.1, ehlo: a.sender.test }
  b: { ip: 127.36.9.2, ehlo: b.sender.test }
pools:
  main: { a: 1, b: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`

let sent = 0
const send = (stack: SluiceStack, count: number) =>
  Promise.all(Array.from({ length: count }, () => submit(stack.haraka.port, { to: `user${++sent}@one.test` })))

const highWater = (stack: SluiceStack, source: 'a' | 'b'): number =>
  stack.lab.truth.attendance.of('one', source === 'a' ? '127.36.9.1' : '127.36.9.2')?.high_water ?? 0

const recipients = (stack: SluiceStack): string[] => stack.lab.truth.recipients().map((fact) => fact.rcpt)

test.each(['killed', 'silent'] as const)('mail goes on while Redis is %s, and the last document holds', async (how) => {
  const stack = await startSluice({ internet, egress, limits: 'connection_limit: 2' })
  const suspended = { id: 's', author: 'test', reason: 'test', source: 'a', since: 0 }
  await stack.publish({ version: 1, suspensions: [suspended] })
  await send(stack, 5)
  await stack.recorded('delivered', 5)

  if (how === 'killed') await stack.redis.kill()
  else stack.redis.pause()
  await send(stack, 60)
  await stack.haraka.logged(/SLUICE_REDIS_AWAY/)
  await stack.recorded('delivered', 65)
  expect(highWater(stack, 'a')).toBe(0)
  expect(highWater(stack, 'b')).toBe(2)

  if (how === 'killed') {
    const again = await startRedis({ port: stack.redis.port })
    onTestFinished(() => again.stop())
  } else {
    stack.redis.resume()
  }
  await stack.haraka.logged(/redis: back/)
  await stack.publish({ version: 2 })
  await stack.haraka.logged(/routing document 2/)
  await send(stack, 40)
  await stack.recorded('delivered', 105)
  expect(highWater(stack, 'a')).toBeGreaterThan(0)
  expect(highWater(stack, 'b')).toBe(2)
  expect(new Set(recipients(stack)).size).toBe(105)
  expect(recipients(stack)).toHaveLength(105)
})

test('without Redis at the start mail leaves by the base weights, and the document is followed when it comes', async () => {
  const port = await freePort()
  const none = await startRedis({ port })
  await none.stop()
  const stack = await startSluice({ internet, egress, redis: none })
  await send(stack, 20)
  const delivered = await stack.recorded('delivered', 20)
  expect(delivered.every((one) => one.routing_version === 0 && one.propensity === 0.5)).toBe(true)

  const redis = await startRedis({ port })
  onTestFinished(() => redis.stop())
  await stack.haraka.logged(/redis: back/)
  await stack.publish({
    version: 5,
    suspensions: [{ id: 's', author: 'test', reason: 'test', source: 'a', since: 0 }],
  })
  await stack.haraka.logged(/routing document 5/)
  await send(stack, 20)
  const after = (await stack.recorded('delivered', 40)).filter((one) => one.routing_version === 5)
  expect(after).toHaveLength(20)
  expect(after.every((one) => one.source === 'b' && one.propensity === 1)).toBe(true)
})
