// The cost of one decision: by which source a message leaves, its provider known and the routing document loaded.
// A table of 20 pools x 200 providers x 8 sources with overrides and suspensions; providers and pools at random; the
// median of several rounds. Limit: 5 us.

import { Chooser } from '@sluice/core/admission/choice'
import { readEgress } from '@sluice/core/config/egress'
import type { RoutingDocument, Weight } from '@sluice/core/routing/table'

import { figure, sayFigures } from './parts/figures'

const limitUs = 5
const pools = 20
const providers = 200
const sources = 8
const rounds = 9
const perRound = 200_000

const names = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`)
const map = <T>(keys: readonly string[], of: (key: string, n: number) => T): Record<string, T> =>
  Object.fromEntries(keys.map((key, n) => [key, of(key, n)]))

const poolNames = names(pools, 'pool')
const providerNames = names(providers, 'provider')
const sourcesOf = (pool: string): string[] => names(sources, `${pool}-source`)

const config = readEgress(
  'egress.yaml',
  JSON.stringify({
    sources: map(poolNames.flatMap(sourcesOf), (id, n) => ({
      ip: `127.${n >> 8}.${n & 255}.1`,
      ehlo: `${id}.sender.test`,
    })),
    pools: map(poolNames, (pool) => map(sourcesOf(pool), (_, n) => n + 1)),
    streams: map(poolNames, (pool) => ({ pool })),
    default_stream: poolNames[0],
  }),
)

const term = (n: number) => ({
  id: `term${n}`,
  source: `pool${n % pools}-source${n % sources}`,
  provider: `provider${(n * 7) % providers}`,
  author: 'bench',
  reason: 'bench',
  since: 0,
  until: Number.MAX_SAFE_INTEGER,
})

const document: RoutingDocument = {
  version: 1,
  at: 0,
  by: 'bench',
  reason: 'bench',
  pools: map(poolNames, (pool) =>
    map(providerNames, (_, p) =>
      map(sourcesOf(pool), (_id, n): Weight => {
        const reputation = 1 / (1 + ((p + n) % 5))
        return { weight: (n + 1) * reputation, factors: { base: n + 1, reputation } }
      }),
    ),
  ),
  overrides: Array.from({ length: 40 }, (_, n) => ({ ...term(n), weight: 2 })),
  suspensions: Array.from({ length: 20 }, (_, n) => term(n * 3)),
}

const chooser = new Chooser(config)
chooser.swap(document)
const broken: ReadonlySet<string> = new Set(['pool3-source1'])
const none: ReadonlySet<string> = new Set()

const asks = Array.from({ length: 4096 }, () => ({
  pools: [poolNames[Math.floor(Math.random() * pools)] ?? ''],
  provider: providerNames[Math.floor(Math.random() * providers)] ?? '',
  closed: Math.random() < 0.05 ? broken : none,
}))

/** us per decision; the clock and the dice are part of it, as they are in a worker. */
const round = (): number => {
  let chosen = 0
  const begin = process.hrtime.bigint()
  for (let n = 0; n < perRound; n++) {
    const ask = asks[n & 4095] as (typeof asks)[number]
    if (chooser.choose(ask.pools, ask.provider, Date.now(), Math.random(), ask.closed)) chosen++
  }
  const us = Number(process.hrtime.bigint() - begin) / 1000 / perRound
  if (chosen !== perRound) throw new Error(`only ${chosen} of ${perRound} decisions found a source`)
  return us
}

round() // every lottery prepared, everything compiled
const times = Array.from({ length: rounds }, round).sort((a, b) => a - b)
const ours = times[rounds >> 1] ?? Infinity
console.log(
  `one decision: ${ours.toFixed(3)} us (median of ${rounds} x ${perRound}; ${times[0]?.toFixed(3)} to ${times.at(-1)?.toFixed(3)})`,
)
sayFigures([figure('less', { bench: 'select', ours, against: 'limit', theirs: limitUs, unit: 'us' })])
if (ours > limitUs) process.exitCode = 1
