// The sidecar as a process of its own, and the command line beside it (both compiled: `npm run build`).
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'

import { redisKeys } from '@sluice/core/redis/keys'
import { Child } from '@sluice/run/child'
import { readyLine } from '@sluice/run/ready'
import { startRedis, type RedisServer } from '@sluice/run/redis'

import { usualEgress } from './running'

const dist = path.join(__dirname, '../../../sidecar/dist')
const ready = readyLine(z.object({ http: z.string(), tokens: z.string(), pid: z.number() }))

let redis: RedisServer
let folder: string
const children: Child[] = []

beforeAll(async () => {
  redis = await startRedis()
})
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-process-'))
})
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()))
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})
afterAll(async () => {
  await redis.stop()
})

const write = async (name: string, files: Record<string, string> = {}): Promise<string> => {
  const config = path.join(folder, name, 'config')
  await mkdir(config, { recursive: true })
  const usual = { 'egress.yaml': usualEgress, 'sidecar.yaml': 'http: { port: 0 }\n' }
  for (const [file, text] of Object.entries({ ...usual, ...files })) await writeFile(path.join(config, file), text)
  return path.join(folder, name)
}

const spawn = async (haraka: string, env: NodeJS.ProcessEnv = {}): Promise<Child> => {
  const child = await Child.spawn({
    name: 'sidecar',
    command: process.execPath,
    args: [path.join(dist, 'main.js'), '--config', haraka],
    env: { ...process.env, REDIS_URL: redis.url, ...env },
  })
  children.push(child)
  return child
}

const away = { CLICKHOUSE_URL: 'http://127.0.0.1:9' }

const sluice = async (haraka: string, ...args: string[]) => {
  const child = await Child.spawn({
    name: 'sluice',
    command: process.execPath,
    args: [path.join(dist, 'cli/main.js'), '--config', haraka, ...args],
    env: { ...process.env, RELAY_PASSWORD: 'x' },
  })
  const code = await child.saidAll()
  return { code, text: child.lastLines(200).join('\n') }
}

describe('the process', () => {
  it('says where it is and stops cleanly within seconds on SIGTERM, engine included', async () => {
    const child = await spawn(await write('one'))
    const { http } = await child.until(ready, 'to be ready', 30_000)
    expect((await fetch(`${http}/v1/ready`)).status).toBe(200)
    const began = performance.now()
    expect(await child.stop('SIGTERM', 10_000)).toBe(0)
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('starts again on its data after SIGKILL', async () => {
    const haraka = await write('one')
    const first = await spawn(haraka)
    await first.until(ready, 'to be ready', 30_000)
    await first.kill()
    const second = await spawn(haraka)
    const { http } = await second.until(ready, 'to be ready', 30_000)
    expect((await fetch(`${http}/v1/ready`)).status).toBe(200)
  })

  it('stops while it is still starting', async () => {
    const child = await spawn(await write('one'), away)
    await child.until((line) => line.includes('Redis') || undefined, 'to begin', 10_000)
    expect(await child.stop('SIGINT', 10_000)).toBe(0)
  })

  it('refuses bad configuration with file, line and key, and opens nothing', async () => {
    const haraka = await write('one', {
      'sidecar.yaml': 'http:\n  prot: 1\n',
      'egress.yaml': usualEgress.replace('pool: main', 'pool: mian'),
    })
    const child = await spawn(haraka)
    expect(await child.saidAll()).toBe(1)
    const said = child.lastLines(10).join('\n')
    expect(said).toContain('SLUICE_CONFIG_INVALID')
    expect(said).toContain('sidecar.yaml:2: http.prot: unknown key')
    expect(said).toMatch(/egress\.yaml:\d+: streams\.bulk\.pool: no pool is named mian/)
  })

  it('says so where its port is taken, and where its folder does not exist', async () => {
    const one = await spawn(await write('one'), away)
    const { http } = await one.until(ready, 'to be ready', 30_000)
    const { port } = new URL(http)
    const two = await spawn(await write('two', { 'sidecar.yaml': `http: { port: ${port} }\n` }), away)
    expect(await two.saidAll()).toBe(1)
    expect(two.lastLines(20).join('\n')).toContain('SLUICE_HTTP_LISTEN')
    const three = await spawn(path.join(folder, 'nowhere'), away)
    expect(await three.saidAll()).toBe(1)
    expect(three.lastLines(20).join('\n')).toContain('SLUICE_CONFIG_UNREADABLE')
  })

  it('takes up a changed configuration, and keeps the last good one', async () => {
    const haraka = await write('one')
    const child = await spawn(haraka, away)
    await child.until(ready, 'to be ready', 30_000)
    await writeFile(path.join(haraka, 'config/egress.yaml'), usualEgress.replace('a: 3', 'a: 9'))
    await child.until((line) => line.includes('configuration changed') || undefined, 'to reload', 10_000)
    expect((await sluice(haraka, 'weights', '--pool', 'main')).text).toMatch(/main +\* +a +9/)
    await writeFile(path.join(haraka, 'config/egress.yaml'), 'sources: 7\n')
    await child.until((line) => line.includes('the last good one stays') || undefined, 'to refuse', 10_000)
    const { text } = await sluice(haraka, 'weights', '--json', '--url', 'http://127.0.0.1:9')
    expect(text).toContain('SLUICE_CONFIG_INVALID') // the command line reads the same files
  })
})

describe('two sidecars on one Redis', () => {
  it('one scores, both answer and steer; the other takes over when the first dies', async () => {
    const children = [await spawn(await write('one'), away), await spawn(await write('two'), away)]
    const urls = await Promise.all(
      children.map(async (child) => (await child.until(ready, 'to be ready', 30_000)).http),
    )
    const client = new Redis(redis.url)
    const scorers = async () =>
      Promise.all(
        urls.map(async (url) => {
          const { parts } = (await (await fetch(`${url}/v1/ready`)).json()) as {
            parts: Record<string, { says: string }>
          }
          return parts['scorer']?.says
        }),
      )
    expect((await scorers()).sort()).toEqual(['another one scores', 'scores'])
    for (const [index, name] of ['one', 'two'].entries()) {
      const { text } = await sluice(path.join(folder, name), 'override', 'b', String(index), '--reason', 'turn')
      expect(text).toContain(`b has weight ${index}`)
    }
    const document = JSON.parse((await client.get(redisKeys().routing)) ?? '{}') as { overrides: unknown[] }
    expect(document.overrides).toMatchObject([{ source: 'b', weight: 1 }])

    const leader = (await scorers()).indexOf('scores')
    await children[leader]?.kill()
    const [other] = urls.filter((_, index) => index !== leader)
    await expect
      .poll(
        async () =>
          ((await (await fetch(`${other}/v1/ready`)).json()) as { parts: Record<string, { says: string }> }).parts[
            'scorer'
          ]?.says,
        {
          timeout: 20_000,
        },
      )
      .toBe('scores')
    client.disconnect()
  })
})

describe('the command line', () => {
  it('checks files without a sidecar', async () => {
    const good = await sluice(await write('good'), 'check')
    expect([good.code, good.text]).toEqual([0, expect.stringContaining('good')])
    const bad = await sluice(await write('bad', { 'shaping.yaml': 'defaults:\n  conection_limit: 3\n' }), 'check')
    expect([bad.code, bad.text]).toEqual([
      1,
      expect.stringContaining('shaping.yaml:2: defaults.conection_limit: unknown key'),
    ])
  })

  it('steers, shows and explains', async () => {
    const haraka = await write('one')
    const child = await spawn(haraka)
    await child.until(ready, 'to be ready', 30_000)
    const run = async (...args: string[]) => (await sluice(haraka, ...args)).text
    const made = await run(
      'override',
      'a',
      '0.5',
      '--provider',
      'google',
      '--reason',
      'try',
      '--author',
      'anna',
      '--for',
      '10m',
    )
    const [id = ''] = /o-\w+/.exec(made) ?? []
    expect(await run('weights')).toMatch(/main +google +a +3 +0\.5 +33\.3 % +override by anna: try \(until/)
    expect(await run('overrides')).toContain(id)
    expect(await run('withdraw', id, '--reason', 'enough')).toContain('withdrawn')
    expect(await run('suspend', 'b', '--reason', 'listed')).toContain('b suspended')
    expect(await run('resume', 'b', '--reason', 'fine')).toContain('1 lifted')
    expect(await run('audit')).toMatch(/resume +done +\w+ +b/)
    expect(await run('sql', "SELECT 'x' AS word, 7 AS n")).toBe('word  n\n----  -\nx     7')
    expect(JSON.parse(await run('--json', 'outcomes'))).toEqual([])
    expect(await run('scores')).toContain('(none)')
  })

  it('gives codes and exits not 0', async () => {
    const haraka = await write('one')
    const child = await spawn(haraka, away)
    await child.until(ready, 'to be ready', 30_000)
    const results = [
      await sluice(haraka, 'override', 'zz', '1', '--reason', 'x'),
      await sluice(haraka, 'override', 'a', 'much', '--reason', 'x'),
      await sluice(haraka, 'why', 'nobody'),
      await sluice(haraka, '--url', 'http://127.0.0.1:9', 'weights'),
    ]
    expect(results.map(({ code }) => code)).toEqual([1, 1, 1, 2])
    expect(results.map(({ text }) => text.split('\n')[0])).toEqual([
      'SLUICE_HTTP_BODY: source: no source is named zz',
      expect.stringContaining('not a number'),
      expect.stringContaining('SLUICE_CLICKHOUSE_AWAY'),
      expect.stringContaining('SLUICE_SIDECAR_AWAY: http://127.0.0.1:9'),
    ])
  })
})
