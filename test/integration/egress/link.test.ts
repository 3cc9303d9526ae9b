// The link to Redis: nobody waits for a Redis that is away, silent or not there at all, and it is noticed when it is
// back.

import { startRedis } from '@sluice/run/redis'
import { freePort } from '@sluice/run/port'
import { expect, onTestFinished, test, vi } from 'vitest'

import { RedisLink } from '../../../plugins/egress/redis/link'

const linkTo = (url: string) => {
  const said: string[] = []
  const link = new RedisLink(
    { url },
    { notice: (text) => said.push(`notice ${text}`), error: (text) => said.push(`error ${text}`) },
  )
  onTestFinished(() => link.close())
  return { link, said }
}

const redis = async (port?: number) => {
  const server = await startRedis(port === undefined ? {} : { port })
  onTestFinished(() => server.stop().catch(() => undefined))
  return server
}

const until = (condition: () => boolean) =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5000, interval: 10 })

test('a Redis that is not there costs nobody any time, and is used when it comes', async () => {
  const port = await freePort()
  const { link, said } = linkTo(`redis://127.0.0.1:${port}`)
  link.open()
  await until(() => said.length > 0)
  const begin = performance.now()
  await expect(link.run((client) => client.get('x'))).rejects.toMatchObject({ code: 'SLUICE_REDIS_AWAY' })
  expect(performance.now() - begin).toBeLessThan(20)
  await redis(port)
  await until(() => link.present)
  expect(await link.run((client) => client.get('x'))).toBeNull()
  expect(said.filter((text) => text.startsWith('error'))).toHaveLength(1)
})

test('a Redis that stops answering is away after the patience, and back when it answers', async () => {
  const server = await redis()
  const { link, said } = linkTo(server.url)
  const returns = vi.fn()
  const heard: string[] = []
  link.onReturn(returns)
  link.subscribe('news', (message) => heard.push(message))
  link.open()
  await until(() => link.present)
  server.pause()
  const begin = performance.now()
  await expect(link.run((client) => client.get('x'))).rejects.toMatchObject({ code: 'SLUICE_REDIS_AWAY' })
  expect(performance.now() - begin).toBeLessThan(150)
  expect(link.present).toBe(false)
  server.resume()
  await until(() => link.present)
  expect(returns).toHaveBeenCalledTimes(2)
  expect(said.map((text) => text.slice(0, 24))).toEqual([
    'notice redis: connected',
    'error SLUICE_REDIS_AWAY:',
    'notice redis: back',
  ])
  await until(() => {
    link.send((client) => client.publish('news', 'hello'))
    return heard.length > 0
  })
})

test('scripts work again after Redis was killed and started anew', async () => {
  const first = await redis()
  const { link } = linkTo(first.url)
  link.open()
  await until(() => link.present)
  expect(await link.run((client) => client.heartbeat('k', 'x', 1000))).toBe(1)
  await first.kill()
  await until(() => !link.present)
  await redis(first.port)
  await until(() => link.present)
  expect(await link.run((client) => client.heartbeat('k', 'y', 1000))).toBe(1)
})

test('an error that Redis answers is not an absence', async () => {
  const server = await redis()
  const { link } = linkTo(server.url)
  link.open()
  await until(() => link.present)
  await link.run((client) => client.set('text', 'x'))
  await expect(link.run((client) => client.zcard('text'))).rejects.toThrow('WRONGTYPE')
  expect(link.present).toBe(true)
})

test('a busy event loop is not an absence', async () => {
  const server = await redis()
  const { link } = linkTo(server.url)
  link.open()
  await until(() => link.present)
  const answer = link.run((client) => client.get('x'))
  const end = performance.now() + 300
  await new Promise(setImmediate)
  while (performance.now() < end);
  expect(await answer).toBeNull()
  expect(link.present).toBe(true)
})
