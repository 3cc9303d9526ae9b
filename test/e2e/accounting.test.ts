// Every recipient is accounted for, exactly, whatever happens to the parts around Haraka: the sidecar is killed three
// times and Redis is gone for a while, and still the receivers' truth and ClickHouse agree by provider, source and kind.

import { readdir } from 'node:fs/promises'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

import { runCampaign } from '@sluice/lab/campaign'
import { domainWeights } from '@sluice/lab/internet/population'
import { shippedInternet } from '@sluice/lab/internet/shipped'
import { yamlEdit } from '@sluice/run/configuration'
import { judge } from '@sluice/run/demo/verdict'
import { campaignStreams, scriptOf, senderDomains } from '@sluice/run/demo/script'
import { writeInternetWithReturns } from '@sluice/run/lab'
import { startRedis, type RedisServer } from '@sluice/run/redis'

import { labOf, startTestStack, type TestStack } from '../harness/stack'

const messages = 3000
const seconds = 30
/** After so many seconds of the campaign. */
const kills = [5, 12, 22]
const retry = { schedule: ['5s', '5s', '10s', '10s'], by_class: {}, min_wait: '5s', max_wait: '10s', max_age: '30s' }
const redisAway = { from: 8, to: 20 }

let folder: string
let one: TestStack
let redis: RedisServer

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-accounting-'))
  redis = await startRedis()
  one = await startTestStack({
    internet: await writeInternetWithReturns(path.join(folder, 'internet.yaml'), senderDomains),
    edits: [yamlEdit('shaping.yaml', ['defaults', 'retry'], retry)],
    redisUrl: redis.url,
  })
})
afterAll(async () => {
  await one.end()
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})

const waiting = async (): Promise<string[]> => {
  const folders = ['queue', 'spool'].map((name) => path.join(one.stack.harakaFolder, name))
  return (await Promise.all(folders.map((name) => readdir(name)))).flat().filter((name) => /\d/.test(name))
}

test('lab truth and ClickHouse agree exactly after three SIGKILLs of the sidecar and an outage of Redis', async () => {
  const start = Date.now()
  const at = (second: number) => delay(Math.max(0, start + second * 1000 - Date.now()))
  const killing = kills.map(async (second) => {
    await at(second)
    const child = await vi.waitUntil(() => one.stack.sidecar.child, { timeout: 15_000, interval: 50 })
    await child.kill()
  })
  const outage = async () => {
    await at(redisAway.from)
    const { port } = redis
    await redis.kill()
    await at(redisAway.to)
    redis = await startRedis({ port })
  }
  const [result] = await Promise.all([
    runCampaign({
      host: '127.0.0.1',
      port: one.stack.smtpPort,
      messages,
      rate: messages / seconds,
      seed: 'accounting',
      streams: campaignStreams,
      domains: domainWeights(shippedInternet()),
      recipients: { max: 1 },
    }),
    outage(),
    ...killing,
  ])
  expect(result.recipients).toEqual({ submitted: messages, accepted: messages, refused: 0, uncertain: 0 })
  expect(one.said.filter((text) => text.startsWith('sidecar ended unexpectedly (SIGKILL)'))).toHaveLength(kills.length)

  await vi.waitFor(async () => expect(await waiting()).toEqual([]), { timeout: 90_000, interval: 500 })
  const verdict = await judge({
    api: one.api,
    lab: labOf(one),
    script: scriptOf(seconds),
    start,
    accepted: result.recipients.accepted,
    sourceOf: one.sourceOf,
  })
  expect(verdict.differences, verdict.lines.join('\n')).toEqual([])
  expect(verdict).toMatchObject({ recorded: messages, ended: messages, twice: 0, exact: true })
})
