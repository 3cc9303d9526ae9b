// The cost of one admission: CPU of a worker's process (the scripts' answers included, Redis' own CPU not) and round
// trips to Redis, counted as Redis counts its reads. 40 lanes of 8 providers, 20 connections each, all busy; every
// message leaves a moment after its grant. Without limits (leases only), and with all of them: connection and message
// rates in two windows, in lane and total, and a total cap; on kept connections and on a new one for each message; and
// where one mail at a time is all there is, so that nothing is shared. Limits: 150 us, one round trip.

import { redisKeys } from '@sluice/core/redis/keys'
import { builtIn, type CompleteLimits } from '@sluice/core/shaping/limits'
import { startRedis } from '@sluice/run/redis'
import { Lanes } from 'haraka-plugin-sluice-egress/dist/lane/lanes'
import { ConfiguredRulings } from 'haraka-plugin-sluice-egress/dist/lane/ruling'
import type { Waiting } from 'haraka-plugin-sluice-egress/dist/lane/waiting'
import { RedisLink } from 'haraka-plugin-sluice-egress/dist/redis/link'
import { laneKey, type Lease } from 'haraka-plugin-sluice-host'
import { Redis } from 'ioredis'

import { figure, median, sayFigures, type Figure } from './parts/figures'

const limitUs = 150
const perRound = Number(process.env['MESSAGES'] ?? 40_000)
const rounds = 5
const lanes = 40
const providers = 8
const connections = 20
/** Mails in the lanes at any time, where they are busy. */
const busy = 2 * lanes * connections

const perSecond = [{ limit: 1_000_000, window_ms: 1000 }]
const rates = [...perSecond, { limit: 50_000_000, window_ms: 60_000 }]
const free: CompleteLimits = { ...builtIn, connection_limit: connections }
const full: CompleteLimits = {
  ...free,
  connection_rate: rates,
  message_rate: rates,
  total: { connection_limit: connections * lanes, connection_rate: perSecond, message_rate: perSecond },
}

interface Round {
  readonly us: number
  readonly roundTrips: number
}

interface Case {
  readonly name: string
  readonly limits: CompleteLimits
  /** Connections are kept for the next message. */
  readonly kept: boolean
  /** Mails in the lanes at any time. */
  readonly waiting: number
  readonly messages: number
}

/** What host does: keeps connections, tells when one is idle. */
class Connections {
  readonly idle = new Map<string, Lease[]>()
  onIdle: (lane: string) => void = () => undefined

  of(lane: string): Lease[] {
    const known = this.idle.get(lane)
    if (known) return known
    const fresh: Lease[] = []
    this.idle.set(lane, fresh)
    return fresh
  }
}

const run = async (url: string, { limits, kept, waiting, messages }: Case): Promise<Round> => {
  const link = new RedisLink(
    { url, patienceMs: 5000 },
    { notice: () => undefined, error: (text) => console.error(text) },
  )
  const host = new Connections()
  const scheduler = new Lanes<Waiting>({
    link,
    keys: redisKeys('bench'),
    log: { notice: () => undefined, error: (text) => console.error(text) },
    worker: 'bench',
    rulings: new ConfiguredRulings(() => limits),
    shares: { tenant: () => 1, stream: () => 1, liking: () => 50 },
    idle: (lane) => host.of(lane).length,
    takeIdle: (lane) => host.of(lane).pop(),
    returnLease: (lease) => lease.release(),
    now: Date.now,
  })
  const present = new Promise<void>((resolve) => link.onReturn(resolve))
  link.open()
  scheduler.start()
  await present
  const client = new Redis(url)
  const before = await reads(client)
  const cpu = process.cpuUsage()

  let [sent, queued] = [0, 0]
  await new Promise<void>((resolve) => {
    const leave = (lane: string, lease: Lease): void => {
      if (++sent === messages) resolve()
      if (queued < messages) queue()
      if (kept) {
        host.of(lane).push(lease)
        scheduler.connectionIdle(lane)
      } else lease.release()
    }
    const send = (lane: string, lease: Lease): void => {
      const ready = lease.beforeMail?.()
      // Other lanes' mail leaves in the same turn of the event loop, as it does in a busy worker.
      if (ready) void ready.then(() => setImmediate(leave, lane, lease))
      else setImmediate(leave, lane, lease)
    }
    const queue = (): void => {
      const n = queued++
      const [source, provider] = [`source${n % lanes}`, `provider${n % providers}`]
      const lane = laneKey(source, provider)
      scheduler.admit(source, provider, {
        tenant: `tenant${n % 5}`,
        stream: 'bulk',
        queued: n,
        grant: (lease) => send(lane, lease),
        park: () => undefined,
      })
    }
    for (let n = 0; n < waiting; n++) queue()
  })

  const { user, system } = process.cpuUsage(cpu)
  const roundTrips = (await reads(client)) - before
  scheduler.stop()
  await new Promise(setImmediate)
  link.close()
  await client.flushall()
  client.disconnect()
  return { us: (user + system) / messages, roundTrips: roundTrips / messages }
}

/** Reads from clients so far: what is sent together is read together. */
const reads = async (client: Redis): Promise<number> =>
  Number(/total_reads_processed:(\d+)/.exec(await client.info('stats'))?.[1])

const main = async (): Promise<void> => {
  const redis = await startRedis()
  const many = { waiting: busy, messages: perRound }
  const alone = { waiting: 1, messages: perRound / 20 }
  const cases: readonly Case[] = [
    { name: 'leases only, connections kept', limits: free, kept: true, ...many },
    { name: 'leases only, a connection each', limits: free, kept: false, ...many },
    { name: 'all limits, connections kept', limits: full, kept: true, ...many },
    { name: 'all limits, a connection each', limits: full, kept: false, ...many },
    { name: 'all limits, one mail at a time', limits: full, kept: true, ...alone },
  ]
  const figures: Figure[] = []
  for (const one of cases) {
    const { name, limits } = one
    await run(redis.url, one) // everything compiled
    const results: Round[] = []
    for (let n = 0; n < rounds; n++) results.push(await run(redis.url, one))
    const us = median(results.map((round) => round.us))
    const trips = median(results.map((round) => round.roundTrips))
    console.log(`${name.padEnd(32)} ${us.toFixed(1)} us CPU, ${trips.toFixed(3)} round trips a message`)
    if (limits === free) continue
    const limit = { bench: `admit: ${name}`, against: 'limit' }
    figures.push(
      figure('less', { ...limit, ours: us, theirs: limitUs, unit: 'us' }),
      figure('less', { ...limit, ours: trips, theirs: 1, unit: 'round trips' }),
    )
    if (us > limitUs || trips > 1) process.exitCode = 1
  }
  await redis.stop()
  sayFigures(figures)
}

void main()
