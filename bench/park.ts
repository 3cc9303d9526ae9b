// Mail parked behind a closed provider: what it costs everybody else, a core, and memory, beside vanilla Haraka that
// holds the same mail by DELAY; whether all of it goes out, in order, when the provider opens, with a SIGKILL and a
// restart in between.

import { setTimeout as pause } from 'node:timers/promises'

import { BenchDns } from './parts/dns'
import { figure, median, sayFigures } from './parts/figures'
import { Haraka, makeHarakaFolder, type HarakaPlan } from './parts/haraka'
import { Operator } from './parts/parked'
import { startSource } from './parts/postfix'
import { fillQueue } from './parts/queue'
import { BenchRedis } from './parts/redis'
import { Sink } from './parts/sink'

const parked = Number(process.env['PARKED'] ?? 100_000)
const rounds = Number(process.env['ROUNDS'] ?? 5)
const messages = Number(process.env['MESSAGES'] ?? 2000)
const delayS = Number(process.env['DELAY_S'] ?? 5)
const idleMs = Number(process.env['IDLE_MS'] ?? 10_000)
const [size, sessions, limit] = [2048, 20, 50]
const loadPatienceMs = 300_000

/** Says heap and resident memory after a collection when it gets SIGUSR2, and how much mail for closed.test came. */
const memory = `
require('node:v8').setFlagsFromString('--expose-gc')
const collect = require('node:vm').runInNewContext('gc')
let asked = 0
process.on('SIGUSR2', () => {
  collect()
  const { heapUsed, rss } = process.memoryUsage()
  process.stdout.write('MEMORY ' + ++asked + ' ' + heapUsed + ' ' + rss + ' HELD ' + held + ' CALLS ' + calls + '\\n')
})
let held = 0
let calls = 0
const met = new WeakSet()
exports.hook_send_email = (next, hmail) => {
  if (hmail.todo.domain !== 'closed.test') return next()
  calls++
  if (!met.has(hmail)) held++
  met.add(hmail)
`
const plugins = {
  sluice: { 'bench-memory': `${memory}  next()\n}\n` },
  vanilla: { 'bench-memory': `${memory}  next(DELAY, ${delayS})\n}\n` },
}

interface Memory {
  readonly heap: number
  readonly rss: number
  readonly held: number
  /** Of send_email for them. */
  readonly calls: number
}

class Probe {
  private asked = 0

  constructor(readonly haraka: Haraka) {}

  async memory(): Promise<Memory> {
    process.kill(this.haraka.child.pid, 'SIGUSR2')
    const [, heap, rss, held, calls] = await this.haraka.child.said(
      new RegExp(`MEMORY ${++this.asked} (\\d+) (\\d+) HELD (\\d+) CALLS (\\d+)`),
    )
    return { heap: Number(heap), rss: Number(rss), held: Number(held), calls: Number(calls) }
  }
}

/** Percent of a core. */
const idleCpu = async (...harakas: readonly Haraka[]): Promise<number[]> => {
  const before = harakas.map(({ child }) => child.cpuMs)
  await pause(idleMs)
  return harakas.map(({ child }, index) => ((child.cpuMs - (before[index] ?? 0)) / idleMs) * 100)
}

interface Relayed {
  /** Messages a second. */
  readonly rate: number
  /** CPU of the main thread, which is what bounds a Node process; ms a message. */
  readonly cpu: number
}

const relay = async (haraka: Haraka, sink: Sink, count: number): Promise<Relayed> => {
  const before = sink.messages
  const used = haraka.child.mainThreadMs
  const begun = performance.now()
  const source = startSource(haraka.port, count, sessions, size)
  await sink.take(before, count, 120_000)
  const rate = (count / (performance.now() - begun)) * 1000
  await source.ended()
  const cpu = (haraka.child.mainThreadMs - used) / count
  console.log(`    ${rate.toFixed(0)} messages/s, ${cpu.toFixed(2)} ms of the main thread a message`)
  return { rate, cpu }
}

const medianOf = (all: readonly Relayed[]): Relayed => ({
  rate: median(all.map(({ rate }) => rate)),
  cpu: median(all.map(({ cpu }) => cpu)),
})

/** Empty and full take turns, each first every other time, so that what else the machine does hits both. */
const compare = async (empty: Haraka, full: Haraka, sink: Sink, times: number) => {
  const found = { empty: [] as Relayed[], full: [] as Relayed[] }
  for (const haraka of [empty, full]) await relay(haraka, sink, 200)
  for (let round = 1; round <= times; round++) {
    const order = round % 2 === 1 ? (['empty', 'full'] as const) : (['full', 'empty'] as const)
    console.log(`  round ${round}: ${order.join(', then ')}`)
    for (const one of order) found[one].push(await relay(one === 'empty' ? empty : full, sink, messages))
  }
  return { empty: medianOf(found.empty), full: medianOf(found.full) }
}

interface Held {
  readonly relayed: { readonly empty: Relayed; readonly full: Relayed }
  /** Percent of a core while nothing comes or goes; with an empty queue. */
  readonly idle: number
  readonly without: number
  /** Times a second that send_email was asked while idle. */
  readonly polls: number
  /** Bytes for each mail that waits. */
  readonly heap: number
  readonly rss: number
}

const sayHeld = (name: string, { relayed, idle, without, polls, heap, rss }: Held): void =>
  console.log(
    `${name}: ${relayed.full.rate.toFixed(0)} messages/s beside it (${relayed.empty.rate.toFixed(0)} with an empty queue), idle ` +
      `${idle.toFixed(2)} % of a core (${without.toFixed(2)} with an empty queue) and ${polls.toFixed(0)} polls a second, ${heap.toFixed(0)} bytes of heap and ${rss.toFixed(0)} of RSS for each mail`,
  )

const measure = async (empty: Probe, full: Probe, sink: Sink, times: number): Promise<Held> => {
  const [before, after] = [await empty.memory(), await full.memory()]
  const [without = 0, idle = 0] = await idleCpu(empty.haraka, full.haraka)
  const polls = ((await full.memory()).calls - after.calls) / (idleMs / 1000)
  const each = (key: 'heap' | 'rss'): number => (after[key] - before[key]) / parked
  return {
    idle,
    without,
    polls,
    heap: each('heap'),
    rss: each('rss'),
    relayed: await compare(empty.haraka, full.haraka, sink, times),
  }
}

const filledFolder = async (): Promise<string> => {
  const folder = await makeHarakaFolder()
  await fillQueue(folder, parked, size, 'closed.test')
  return folder
}

const ours = async (plan: HarakaPlan, sink: Sink, redis: BenchRedis): Promise<Held> => {
  const operator = new Operator(redis.url, 'parked')
  await operator.suspend('closed.test')
  const empty = await Haraka.start({ ...plan, prefix: 'empty' })
  const folder = await filledFolder()
  let begun = performance.now()
  let full = await Haraka.start({ ...plan, prefix: 'parked', folder })
  try {
    await operator.until(parked, loadPatienceMs)
    console.log(`${parked} parked ${((performance.now() - begun) / 1000).toFixed(1)} s after the start`)
    const held = await measure(new Probe(empty), new Probe(full), sink, rounds)
    console.log(`asked how much waits and why: answer after ${(await operator.waiting()).ms.toFixed(0)} ms`)

    await full.child.stop('SIGKILL')
    begun = performance.now()
    full = await Haraka.start({ ...plan, prefix: 'parked', folder })
    await operator.until(parked, loadPatienceMs)
    console.log(`${parked} parked ${((performance.now() - begun) / 1000).toFixed(1)} s after SIGKILL and restart`)
    const cpu = full.child.cpuMs
    const before = sink.messages
    await operator.suspend()
    const { ms } = await sink.take(before, parked, 900_000)
    const { seen, again, behind, mean } = sink.order
    console.log(
      `opened: ${((parked / ms) * 1000).toFixed(0)} messages/s, ${((full.child.cpuMs - cpu) / parked).toFixed(2)} ms ` +
        `CPU a message; ${seen} of ${parked} came, ${again} of them twice, ${mean.toFixed(1)} places behind a later one ` +
        `on average, ${behind} at most`,
    )
    if (seen !== parked || again > 0) throw new Error('mail was lost or came twice')
    // As many are under way as there are connections; one that is slow for a moment is passed by the others.
    if (mean > limit || behind > Math.max(10 * limit, parked / 100)) throw new Error('mail came out of order')
    return held
  } finally {
    operator.stop()
    await empty.stop()
    await full.stop()
  }
}

const theirs = async (plan: HarakaPlan, sink: Sink): Promise<Held> => {
  const empty = await Haraka.start(plan)
  const full = await Haraka.start({ ...plan, folder: await filledFolder() })
  try {
    const probe = new Probe(full)
    const deadline = Date.now() + loadPatienceMs
    for (let held = 0; held < parked; { held } = await probe.memory()) {
      if (Date.now() > deadline) throw new Error(`${held} of ${parked} mails are held`)
      await pause(1000)
    }
    return await measure(new Probe(empty), probe, sink, Math.min(rounds, 2))
  } finally {
    await empty.stop()
    await full.stop()
  }
}

const main = async (): Promise<void> => {
  const redis = await BenchRedis.start()
  if (!redis) throw new Error('redis-server is missing')
  const dns = await BenchDns.start()
  const sink = await Sink.start(0, false, true)
  const to = { port: sink.port, tls: false, dnsPort: dns.port }
  try {
    const we = await ours({ kind: 'sluice', to, limit, redisUrl: redis.url, plugins: plugins.sluice }, sink, redis)
    sayHeld('sluice, parked', we)
    const they = await theirs({ kind: 'vanilla', to, limit, plugins: plugins.vanilla }, sink)
    const delay = `DELAY ${delayS} s`
    sayHeld(`haraka, ${delay}`, they)
    const rate = { bench: 'park: other mail', ours: we.relayed.full.rate, unit: 'messages/s' }
    const cpu = { bench: 'park: other mail, main thread', ours: we.relayed.full.cpu, unit: 'ms a message' }
    const idle = { bench: 'park: idle', ours: we.idle, unit: '% of a core' }
    const heap = { bench: 'park: heap for each mail', ours: we.heap, unit: 'bytes' }
    sayFigures([
      figure('more', { ...rate, against: 'an empty queue', theirs: we.relayed.empty.rate }),
      figure('more', { ...rate, against: 'vanilla', theirs: they.relayed.full.rate }),
      figure('less', { ...cpu, against: 'an empty queue', theirs: we.relayed.empty.cpu }),
      figure('less', { ...idle, against: 'vanilla', theirs: they.idle }),
      figure('less', { ...heap, against: 'vanilla', theirs: they.heap }),
    ])
  } finally {
    await sink.stop()
    await redis.stop()
    dns.stop()
  }
}

main().catch((thrown: unknown) => {
  console.error(thrown)
  process.exitCode = 1
})
