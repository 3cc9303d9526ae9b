// Everything on the sender's side but the sidecar: a Redis of its own, a Haraka with all Sluice plugins, a lab to send
// to. Ends with its test. The plugins must be compiled.

import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import { outcomeSchema, type OutcomeRecord } from '@sluice/core/outcome/record'
import { redisKeys } from '@sluice/core/redis/keys'
import { routingSchema, type RoutingDocument } from '@sluice/core/routing/table'
import { parseSegmentName } from '@sluice/core/spool/segment'
import { readInternet } from '@sluice/lab/internet/schema'
import { startLab, type Lab } from '@sluice/lab/lab'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { Redis } from 'ioredis'
import { expect, onTestFinished, vi } from 'vitest'

import { HarakaProcess, HarakaTrouble, type HarakaOptions } from './haraka'

export interface SluiceOptions extends HarakaOptions {
  /** egress.yaml */
  readonly egress: string
  /** Further limits in the defaults of shaping.yaml, e.g. `connection_limit: 1`; more keys may follow. */
  readonly limits?: string
  /** Keys of sluice.yaml besides resolvers. */
  readonly sluice?: string
  /** Port of the MX hosts; absent = the lab's. */
  readonly port25?: number
  /** internet.yaml of the lab */
  readonly internet: string
  /** Absent: a Redis is started. */
  readonly redis?: RedisServer
  readonly lab?: Lab
}

export const allPlugins = ['sluice-host', 'sluice-stream', 'sluice-egress', 'sluice-outcome']

export interface SluiceStack {
  readonly lab: Lab
  readonly redis: RedisServer
  haraka: HarakaProcess
  /** Publishes a routing document as the sidecar would. */
  readonly publish: (document: Partial<RoutingDocument> & { readonly version: number }) => Promise<void>
  readonly publishText: (text: string) => Promise<void>
  /** Starts Haraka again in its folder, on its port. */
  readonly restart: () => Promise<void>
  /** Valid records of the spool, sealed and open, in no order. */
  readonly records: () => Promise<OutcomeRecord[]>
  /** Waits until the spool has that many records of a kind. */
  readonly recorded: (kind: OutcomeRecord['kind'], count: number, timeoutMs?: number) => Promise<OutcomeRecord[]>
}

export const harakaOptions = (options: SluiceOptions, lab: Lab, redis: RedisServer): HarakaOptions => ({
  ...options,
  plugins: [...allPlugins, ...(options.plugins ?? [])],
  env: { ...options.env, REDIS_URL: redis.url },
  config: {
    'outbound.ini': 'concurrency_max=200\ntemp_fail_intervals=300s\nlocal_mx_ok=true\n',
    'egress.yaml': options.egress,
    'shaping.yaml': `defaults:\n  port: ${options.port25 ?? lab.port}\n  tls: none\n  ${options.limits ?? ''}\n`,
    'sluice.yaml': `resolvers: ['${lab.dns}']\nspool: { min_free_mb: 0 }\n${options.sluice ?? ''}`,
    ...options.config,
  },
})

export const startSluice = async (options: SluiceOptions): Promise<SluiceStack> => {
  const lab = options.lab ?? (await startLab({ internet: readInternet('test.yaml', options.internet) }))
  if (!options.lab) onTestFinished(() => lab.stop())
  const redis = options.redis ?? (await startRedis())
  if (!options.redis) onTestFinished(() => redis.stop())
  const haraka = await HarakaProcess.start(harakaOptions(options, lab, redis))
  const stack: SluiceStack = {
    lab,
    redis,
    haraka,
    publish: (document) => publishRouting(redis.url, document),
    publishText: (text) => publishText(redis.url, text),
    restart: async () => {
      await stack.haraka.end()
      const { folder, port } = stack.haraka
      stack.haraka = await HarakaProcess.start({ ...harakaOptions(options, lab, redis), folder, port })
    },
    records: () => readSpool(path.join(haraka.folder, 'spool')),
    recorded: async (kind, count, timeoutMs = 20_000) => {
      const found = async () => (await stack.records()).filter((one) => one.kind === kind)
      const there = async () => expect((await found()).length).toBeGreaterThanOrEqual(count)
      await vi.waitFor(there, { timeout: timeoutMs, interval: 50 }).catch(async (missing: unknown) => {
        const queue = (await stack.haraka.queue()).join(' ')
        throw new HarakaTrouble(`${kind}: ${String(missing)}; in the queue: ${queue}`, stack.haraka.log)
      })
      return found()
    },
  }
  onTestFinished(() => stack.haraka.stop())
  return stack
}

/** Publishes a routing document as the sidecar would. */
export const publishRouting = (
  url: string,
  document: Partial<RoutingDocument> & { readonly version: number },
): Promise<void> => publishText(url, routingText(document))

const routingText = (document: Partial<RoutingDocument> & { readonly version: number }): string =>
  JSON.stringify(
    routingSchema.parse({
      at: Date.now(),
      by: 'test',
      reason: 'test',
      pools: {},
      overrides: [],
      suspensions: [],
      ...document,
    }),
  )

const publishText = async (url: string, text: string): Promise<void> => {
  const keys = redisKeys()
  const client = new Redis(url)
  try {
    await client.set(keys.routing, text)
    await client.publish(keys.routingChannel, 'new')
  } finally {
    client.disconnect()
  }
}

/** Torn last lines of open segments are left out, as the reader does. */
export const readSpool = async (folder: string): Promise<OutcomeRecord[]> => {
  const names = (await readdir(folder).catch(() => [])).filter((name) => parseSegmentName(name) !== undefined)
  const texts = await Promise.all(names.map((name) => readWhicheverName(path.join(folder, name))))
  return texts.flatMap((text) =>
    text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(Boolean)
      .map((line) => outcomeSchema.parse(JSON.parse(line))),
  )
}

/** It may be sealed between listing and reading. */
const readWhicheverName = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch(() => readFile(file.replace(/\.open$/, '.ndjson'), 'utf8'))
