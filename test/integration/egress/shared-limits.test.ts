// Workers of two Harakas, each a cluster of its own, share one Redis and one limit: the receiver never counts a
// connection or a message too many, although workers are killed under load. SLUICE_LIMITS=long is the whole proof: eight
// workers, more mail, and the leases of the killed ones are back after their time to live.
//
// The receiver's clock tolerance: it stamps MAIL when its event loop gets to it, so windows are taken shorter than a
// second by the longest delay its loop was seen to have.

import { monitorEventLoopDelay } from 'node:perf_hooks'

import { redisKeys } from '@sluice/core/redis/keys'
import { runCampaign } from '@sluice/lab/campaign'
import { readInternet } from '@sluice/lab/internet/schema'
import { startLab } from '@sluice/lab/lab'
import { startRedis } from '@sluice/run/redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test, vi } from 'vitest'

import { HarakaProcess } from '../../harness/haraka'
import { descendantsOf } from '../../harness/processes'
import { harakaOptions } from '../../harness/sluice'

const long = process.env['SLUICE_LIMITS'] === 'long'
const workers = long ? 4 : 2
const messages = long ? 3000 : 200
const connectionLimit = long ? 20 : 10
const rate = 50

// `slow` needs more connections than it may have, `fast` more messages.
const internet = `
providers:
  slow:
    domains: [slow.test]
    mx: [{ host: mx.slow.test, address: 127.41.1.1 }]
    service: { starttls: false }
    latency: { dot: 700 }
  fast:
    domains: [fast.test]
    mx: [{ host: mx.fast.test, address: 127.41.1.2 }]
    service: { starttls: false }
`
const egress = `
sources:
  a: { ip: 127.41.9.1, ehlo: a.sender.test }
pools:
  main: { a: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`

/** The most of `times` (ms, ascending) in any window. */
const most = (times: readonly number[], window: number): number => {
  let [first, peak] = [0, 0]
  times.forEach((at, last) => {
    while ((times[first] ?? at) <= at - window) first++
    peak = Math.max(peak, last - first + 1)
  })
  return peak
}

test('one limit over two clusters, with workers killed under load', { timeout: long ? 300_000 : 120_000 }, async () => {
  const lab = await startLab({ internet: readInternet('test.yaml', internet) })
  onTestFinished(() => lab.stop())
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const heard = vi.spyOn(lab.truth.attendance, 'message')
  const options = {
    internet,
    egress,
    nodes: workers,
    startTimeoutMs: 60_000,
    limits: `connection_limit: ${connectionLimit}\n  message_rate: ${rate}/s\n  messages_per_connection: 20`,
  }
  const clusters = await Promise.all([1, 2].map(() => HarakaProcess.start(harakaOptions(options, lab, redis))))
  onTestFinished(async () => {
    await Promise.all(clusters.map((haraka) => haraka.stop()))
  })
  const client = new Redis(redis.url)
  onTestFinished(() => client.disconnect())
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()

  const campaigns = clusters.map(({ port }, n) =>
    runCampaign({
      host: '127.0.0.1',
      port,
      seed: `limits ${n}`,
      connections: 2 * workers,
      messages: messages / 2,
      domains: { 'fast.test': 2, 'slow.test': 1 },
      size: { min: 500, max: 600 },
    }),
  )
  const delivered = () => lab.truth.recipients().filter(({ verdict }) => verdict === 'delivered').length
  const reach = (count: number) =>
    vi.waitFor(() => expect(delivered()).toBeGreaterThanOrEqual(count), { timeout: 200_000, interval: 50 })

  await reach(messages / 3)
  for (const haraka of clusters) {
    const [victim] = descendantsOf(haraka.pid)
    if (victim === undefined) throw new Error('no worker to kill')
    process.kill(victim, 'SIGKILL')
  }
  await Promise.allSettled(campaigns)
  // What the killed ones had in hand waits for a restart of their Haraka.
  await reach(messages * 0.6)

  const tolerance = Math.ceil(delay.max / 1e6)
  const peaks = ['slow', 'fast'].map((provider) => {
    const times = heard.mock.calls.filter(([to]) => to === provider).map(([, , at]) => at)
    const { high_water = 0, messages_per_second = 0 } = lab.truth.attendance.of(provider, '127.41.9.1') ?? {}
    return {
      provider,
      messages: times.length,
      high_water,
      messages_per_second,
      tolerated: most(times, 1000 - tolerance),
    }
  })
  for (const { high_water, tolerated } of peaks) {
    expect(high_water).toBeLessThanOrEqual(connectionLimit)
    expect(tolerated).toBeLessThanOrEqual(rate)
  }

  if (!long) return
  console.log(JSON.stringify({ tolerance, peaks }))
  expect(peaks[0]?.high_water).toBe(connectionLimit)
  const leases = ['slow.test', 'fast.test'].map((provider) => redisKeys().lane('a', provider).leases)
  const left = async () => Math.max(...(await Promise.all(leases.map((key) => client.zcard(key)))))
  await vi.waitFor(async () => expect(await left()).toBe(0), { timeout: 60_000, interval: 200 })
})
