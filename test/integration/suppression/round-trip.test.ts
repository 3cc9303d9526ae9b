// What a check costs a worker: one round trip for all recipients of a message, and next to nothing without Redis.

import { connect, createServer, type AddressInfo } from 'node:net'

import { readSluice } from '@sluice/core/config/sluice'
import { scopesFor } from '@sluice/core/suppression/entry'
import { startRedis } from '@sluice/run/redis'
import { expect, onTestFinished, test } from 'vitest'

import { SuppressionList } from '../../../plugins/stream/suppression-list'

const start = async () => {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const sent: number[] = []
  const proxy = createServer((socket) => {
    const server = connect(redis.port, '127.0.0.1')
    socket.on('data', (chunk: Buffer) => {
      sent.push(chunk.length)
      server.write(chunk)
    })
    server.pipe(socket)
    for (const one of [socket, server])
      one.on('error', () => undefined).on('close', () => [socket, server].map((s) => s.destroy()))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void proxy.close())
  const { port } = proxy.address() as AddressInfo
  const said: string[] = []
  const log = { notice: (text: string) => said.push(text), error: (text: string) => said.push(text) }
  const list = new SuppressionList(readSluice('sluice.yaml', `redis: { url: 'redis://127.0.0.1:${port}' }`), log)
  onTestFinished(() => list.close())
  const check = (count: number) =>
    list.check(
      Array.from({ length: count }, (_, n) => `user${n}@b.test`),
      scopesFor('acme', 'news'),
      Date.now(),
    )
  return { redis, list, check, sent, said }
}

test('all recipients of a message are asked for in one round trip', async () => {
  const { check, sent } = await start()
  await check(1)
  sent.length = 0
  expect(await check(100)).toEqual(new Map())
  expect(sent).toHaveLength(1)
})

test('a Redis that stops answering is waited for a few tens of milliseconds once, then not at all', async () => {
  const { redis, list, check, said } = await start()
  await check(1)
  redis.pause()
  let begin = performance.now()
  expect(await check(3)).toBeUndefined()
  expect(performance.now() - begin).toBeLessThan(250)
  begin = performance.now()
  for (let n = 0; n < 50; n++) expect(await check(2)).toBeUndefined()
  expect(performance.now() - begin).toBeLessThan(250)
  expect(list.unchecked).toBe(103)
  expect(said.filter((text) => text.includes('go on unchecked'))).toHaveLength(1)
  redis.resume()
  await expect.poll(() => check(1), { timeout: 5000 }).toEqual(new Map())
})
