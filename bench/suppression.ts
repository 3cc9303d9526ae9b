// What the suppression list costs: memory of ten million entries in Redis, and the time of one check. The memory is
// measured with a part of the entries in the same part of the buckets, as dense as ten million would be, and said for
// ten million; `npm run bench:suppression -- --whole` puts in all of them. The addresses are as long as real ones, a
// fifth of the entries carries a tenant's stream or an end.
// Limits: 1.5 GB; a check of all recipients of a message is one round trip, so a hundred may take what few do.

import { randomUUID } from 'node:crypto'

import { readSluice } from '@sluice/core/config/sluice'
import { redisKeys } from '@sluice/core/redis/keys'
import { bucketCount, bucketOf, packSuppression, scopesFor, type Suppression } from '@sluice/core/suppression/entry'
import { startRedis } from '@sluice/run/redis'
import { SuppressionList } from 'haraka-plugin-sluice-stream/dist/suppression-list'
import { Redis } from 'ioredis'

import { figure, sayFigures } from './parts/figures'

const whole = 10_000_000
const measured = process.argv.includes('--whole') ? whole : 400_000
const limitGb = 1.5
const recipients = 100
const limitMs = 10
const checks = 300
const together = 2000
const keys = redisKeys()

const names = [
  'anna',
  'peter.miller',
  'j.smith',
  'info',
  'maria.gonzalez.lopez',
  'kundenservice',
  'christopher.robinson',
]
const domains = ['gmail.com', 'yahoo.com', 'hotmail.com', 'outlook.com', 't-online.de', 'some-company.example.com']
const pick = (from: readonly string[], n: number): string => from[n % from.length] ?? ''
const addressOf = (n: number): string => `${pick(names, n)}${(n * 7919) % 1_000_000}@${pick(domains, n >> 3)}`

const entryOf = (n: number): Suppression => ({
  address: addressOf(n),
  scope: n % 5 === 0 ? { kind: 'stream', name: `tenant-${n % 500}/news` } : { kind: 'global' },
  reason: n % 5 === 0 ? 'unsubscribe' : 'hard_bounce',
  evidence: randomUUID(),
  since: Date.now() - n * 1000,
  ...(n % 10 === 0 && { until: Date.now() + n * 1000 }),
})

const usedMemory = async (redis: Redis): Promise<number> =>
  Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])

/** Bytes for each entry. */
const fill = async (redis: Redis): Promise<number> => {
  const before = await usedMemory(redis)
  const buckets = Math.round((bucketCount * measured) / whole)
  for (let from = 0; from < measured; from += together) {
    const pipeline = redis.pipeline()
    for (let n = from; n < from + together; n++) {
      const entry = entryOf(n)
      const pairs = packSuppression(entry).flat()
      const bucket = bucketOf(entry.address) % buckets
      pipeline.hset(keys.suppressed(bucket), ...pairs.map((text) => Buffer.from(text, 'latin1')))
    }
    await pipeline.exec()
  }
  return ((await usedMemory(redis)) - before) / measured
}

/** ms of a check of `count` recipients, median. */
const timeOf = async (list: SuppressionList, count: number): Promise<number> => {
  const times: number[] = []
  for (let check = 0; check < checks; check++) {
    const addresses = Array.from({ length: count }, (_, n) => addressOf(check * count + n))
    const begin = performance.now()
    const found = await list.check(addresses, scopesFor('tenant-1', 'news'), Date.now())
    if (!found) throw new Error('Redis did not answer in time')
    times.push(performance.now() - begin)
  }
  return times.sort((a, b) => a - b)[checks >> 1] ?? Infinity
}

const main = async (): Promise<void> => {
  const server = await startRedis()
  const redis = new Redis(server.url)
  const config = readSluice('sluice.yaml', `redis: { url: '${server.url}' }`)
  const list = new SuppressionList(config, { notice: () => undefined, error: console.error })
  try {
    const bytes = await fill(redis)
    const gb = Number(((bytes * whole) / 1e9).toFixed(3))
    console.log(`${bytes.toFixed(1)} bytes an entry, measured with ${measured.toLocaleString('en')}:`)
    console.log(`ten million entries would take ${gb} GB`)
    const one = await timeOf(list, 1)
    const many = await timeOf(list, recipients)
    console.log(`a check of 1 recipient ${one.toFixed(2)} ms, of ${recipients} ${many.toFixed(2)} ms (medians)`)
    const held = { bench: 'suppression: 10 million entries', ours: gb, theirs: limitGb, unit: 'GB' }
    const check = { bench: `suppression: check of ${recipients}`, ours: many, theirs: limitMs, unit: 'ms' }
    sayFigures([figure('less', { ...held, against: 'limit' }), figure('less', { ...check, against: 'limit' })])
    if (gb > limitGb || many > limitMs) process.exitCode = 1
  } finally {
    list.close()
    redis.disconnect()
    await server.stop()
  }
}

void main()
