// Lanes against receivers that publish nothing: limits of connections and of messages a minute, which change midway.
// A Haraka with two workers and all Sluice plugins sends more than is allowed; the lab counts what it takes and what it
// refuses. Three minutes after the start, and after the change, a lane should send 90 % of what is allowed and waste
// less than 5 % of its attempts.

import { setTimeout as pause } from 'node:timers/promises'

import { runCampaign } from '@sluice/lab/campaign'
import { readInternet } from '@sluice/lab/internet/schema'
import { startLab, type Lab } from '@sluice/lab/lab'
import type { Fact } from '@sluice/lab/truth/event'
import { startRedis } from '@sluice/run/redis'

import { figure, sayFigures, type Figure } from './parts/figures'
import { Haraka } from './parts/haraka'

const minute = 60_000
/** How long a lane has to find the limit, and for how long it is then measured; ms. */
const findMs = Number(process.env['FIND_MS'] ?? 3 * minute)
const measureMs = Number(process.env['MEASURE_MS'] ?? 2 * minute)
/** Messages a second to each provider, more than any of them takes. */
const perSecond = 11

/** A receiver's limits in one part of the run. */
interface Hidden {
  readonly connections: number
  /** Per minute, in every sliding one. */
  readonly messages: number
}

interface Receiver {
  readonly name: string
  /** ms a message takes at least */
  readonly latency: number
  readonly parts: readonly [Hidden, Hidden]
}

const plenty = 1_000_000
const receivers: readonly Receiver[] = [
  {
    name: 'connections',
    latency: 2000,
    parts: [
      { connections: 9, messages: plenty },
      { connections: 4, messages: plenty },
    ],
  },
  {
    name: 'messages',
    latency: 100,
    parts: [
      { connections: 100, messages: 240 },
      { connections: 100, messages: 600 },
    ],
  },
  {
    name: 'both',
    latency: 1000,
    parts: [
      { connections: 6, messages: 300 },
      { connections: 3, messages: 600 },
    ],
  },
]

const internet = `
providers:
${receivers
  .map(
    ({ name, latency }, index) => `  ${name}:
    domains: [${name}.test]
    mx: [{ host: mx.${name}.test, address: 127.45.${index + 1}.1 }]
    service: { starttls: false }
    latency: { dot: ${latency} }
`,
  )
  .join('')}`

const behaviourOf = ({ connections, messages }: Hidden): object => ({
  connection_limit: { max: connections },
  message_rate: { windows: [{ max: messages, per_s: 60 }] },
})

interface Measured {
  readonly taken: number
  readonly refused: number
}

const measure = (facts: readonly Fact[], provider: string, from: number, to: number): Measured => {
  const mine = facts.filter((fact) => fact.provider === provider && fact.at >= from && fact.at < to)
  return {
    taken: mine.filter((fact) => fact.kind === 'recipient' && fact.verdict === 'delivered').length,
    refused: mine.filter((fact) => (fact.kind === 'message' || fact.kind === 'refusal') && fact.code >= 400).length,
  }
}

const change = (lab: Lab, part: 0 | 1): void => {
  for (const { name, parts } of receivers) lab.change(name, { behaviour: behaviourOf(parts[part]) })
}

/** Per minute: messages, or as many as so many connections carry that take `latency` each. */
const allowedBy = ({ connections, messages }: Hidden, latency: number): number =>
  Math.min(messages, (connections * minute) / latency)

const run = async (): Promise<void> => {
  const lab = await startLab({ internet: readInternet('hidden.yaml', internet), keepFacts: 1_000_000 })
  const redis = await startRedis()
  const [, dnsPort = ''] = lab.dns.split(':')
  const haraka = await Haraka.start({
    kind: 'sluice',
    to: { port: lab.port, tls: false, dnsPort: Number(dnsPort) },
    limit: 40,
    redisUrl: redis.url,
    files: {
      'shaping.yaml': `defaults: { connection_limit: 40, message_rate: 100/s, port: ${lab.port}, tls: none, messages_per_connection: 20, idle_s: 10 }\n`,
      'egress.yaml':
        'sources: { a: { ip: 127.45.9.1, ehlo: a.bench.test } }\npools: { p: { a: 1 } }\nstreams: { s: { pool: p } }\ndefault_stream: s\n',
    },
    workers: 2,
  })
  const ending = new AbortController()
  const figures: Figure[] = []
  let accepted = 0
  try {
    change(lab, 0)
    const campaign = runCampaign({
      host: '127.0.0.1',
      port: haraka.port,
      messages: 1_000_000,
      rate: perSecond * receivers.length,
      seed: 'hidden',
      streams: [{ stream: 's', tenant: 't', campaign: 'c', from: 'news@bench.test' }],
      domains: Object.fromEntries(receivers.map(({ name }) => [`${name}.test`, 1])),
      signal: ending.signal,
      onProgress: ({ messages }) => (accepted = messages.accepted),
    })
    for (const part of [0, 1] as const) {
      change(lab, part)
      await pause(findMs)
      const from = Date.now()
      const before = accepted
      await pause(measureMs)
      const offered = ((accepted - before) * minute) / (Date.now() - from) / receivers.length
      console.log(`accepted from the submitter: ${offered.toFixed(0)} messages/min for each receiver`)
      for (const receiver of receivers) figures.push(...figuresOf(lab, receiver, part, from))
    }
    ending.abort()
    await campaign
  } finally {
    ending.abort()
    await haraka.stop()
    await redis.stop()
    await lab.stop()
  }
  sayFigures(figures)
}

const figuresOf = (lab: Lab, { name, latency, parts }: Receiver, part: 0 | 1, from: number): Figure[] => {
  const to = Date.now()
  const { taken, refused } = measure(lab.truth.after(0), name, from, to)
  const allowed = allowedBy(parts[part], latency)
  const perMinute = (taken * minute) / (to - from)
  const waste = refused / Math.max(1, taken + refused)
  const what = part === 0 ? 'from the start' : 'after the change'
  console.log(
    `${name.padEnd(12)} ${what.padEnd(17)} ${perMinute.toFixed(0)} of ${allowed.toFixed(0)} messages/min (${((100 * perMinute) / allowed).toFixed(1)} %), refused ${(100 * waste).toFixed(1)} % of the attempts`,
  )
  return [
    // All that the receiver allows cannot be sent without knowing it; 90 % of it is what we want to be better than.
    figure('more', {
      bench: `hidden: ${name}, ${what}`,
      ours: perMinute,
      against: 'limit',
      theirs: 0.9 * allowed,
      unit: 'messages/min',
    }),
    figure('less', {
      bench: `hidden: ${name}, ${what}, refused`,
      ours: 100 * waste,
      against: 'limit',
      theirs: 5,
      unit: '% of attempts',
    }),
  ]
}

void run()
