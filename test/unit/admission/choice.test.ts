// The choice in memory: right shares, per provider; overrides, suspensions and their ends; closed sources; fallbacks.

import { expect, test } from 'vitest'

import { Chooser } from '@sluice/core/admission/choice'
import { readEgress } from '@sluice/core/config/egress'
import type { RoutingDocument } from '@sluice/core/routing/table'

const config = readEgress(
  'egress.yaml',
  `
sources:
  a: { ip: 127.0.0.1, ehlo: a.test }
  b: { ip: 127.0.0.2, ehlo: b.test }
  c: { ip: 127.0.0.3, ehlo: c.test }
pools:
  main: { a: 3, b: 1 }
  spare: { c: 1 }
streams:
  bulk: { pool: main, fallback: [spare] }
default_stream: bulk
`,
)
const pools = ['main', 'spare']

const document = (more: Partial<RoutingDocument>): RoutingDocument => ({
  version: 7,
  at: 0,
  by: 'test',
  reason: 'test',
  pools: {},
  overrides: [],
  suspensions: [],
  ...more,
})
const term = { id: 't', author: 'me', reason: 'why', since: 1000 }

const chooserWith = (more?: Partial<RoutingDocument>): Chooser => {
  const chooser = new Chooser(config)
  if (more) chooser.swap(document(more))
  return chooser
}

const share = (chooser: Chooser, provider: string, now: number, count = 20_000): Record<string, number> => {
  const drawn: Record<string, number> = {}
  for (let n = 0; n < count; n++) {
    const source = chooser.choose(pools, provider, now, Math.random())?.source ?? 'nobody'
    drawn[source] = (drawn[source] ?? 0) + 1
  }
  return drawn
}

/** Pearson's chi-square; 15.1 is exceeded once in 10,000 runs at one degree of freedom. */
const chiSquare = (drawn: Record<string, number>, expected: Record<string, number>): number =>
  Object.entries(expected).reduce((sum, [source, count]) => sum + ((drawn[source] ?? 0) - count) ** 2 / count, 0)

test.each(['one.test', 'two.test'])('weights 3:1 give 75:25 at %s', (provider) => {
  expect(chiSquare(share(chooserWith(), provider, 0), { a: 15_000, b: 5000 })).toBeLessThan(15.1)
})

test('propensity and version are those of the choice', () => {
  expect(chooserWith().choose(pools, 'one.test', 0, 0.1)).toMatchObject({
    pool: 'main',
    source: 'a',
    propensity: 0.75,
    version: 0,
  })
  expect(chooserWith({}).choose(pools, 'one.test', 0, 0.9)).toMatchObject({ source: 'b', propensity: 0.25, version: 7 })
})

test('an override to 0 moves all traffic of that provider, and its end moves it back, by time alone', () => {
  const chooser = chooserWith({ overrides: [{ ...term, source: 'a', provider: 'one.test', weight: 0, until: 2000 }] })
  expect(share(chooser, 'one.test', 500, 2000)['a']).toBeGreaterThan(1300)
  expect(chooser.until).toBe(1000)
  expect(share(chooser, 'one.test', 1000, 2000)).toEqual({ b: 2000 })
  expect(share(chooser, 'two.test', 1000, 2000)['a']).toBeGreaterThan(1300)
  expect(chooser.until).toBe(2000)
  expect(chiSquare(share(chooser, 'one.test', 2000), { a: 15_000, b: 5000 })).toBeLessThan(15.1)
})

test('closed sources are left out and the rest takes their share', () => {
  const chooser = chooserWith()
  expect(chooser.choose(pools, 'one.test', 0, 0.1, new Set(['a']))).toMatchObject({ source: 'b', propensity: 1 })
})

test('where the whole pool is closed the next one is used, and nobody where all are', () => {
  const suspensions = ['a', 'b'].map((source) => ({ ...term, id: source, source, until: 5000 }))
  const chooser = chooserWith({ suspensions })
  expect(chooser.choose(pools, 'one.test', 1000, 0.5)).toMatchObject({ pool: 'spare', source: 'c', propensity: 1 })
  expect(chooser.choose(['main'], 'one.test', 1000, 0.5)).toBeUndefined()
  expect(chooser.choose(['main'], 'one.test', 5000, 0.5)).toBeDefined()
})

test('a choice stands as long as the weights it was drawn from hold, whatever else is published', () => {
  const chooser = chooserWith({})
  const choice = chooser.choose(pools, 'one.test', 0, 0.5)
  if (!choice) throw new Error('nobody was chosen')
  chooser.swap(document({ version: 8, suspensions: [{ ...term, source: 'a', provider: 'two.test' }] }))
  expect(chooser.stands(choice, 'one.test', 3000)).toBe(true)
  chooser.swap(document({ version: 9, suspensions: [{ ...term, source: 'a', provider: 'one.test' }] }))
  expect(chooser.stands(choice, 'one.test', 500)).toBe(true)
  expect(chooser.stands(choice, 'one.test', 3000)).toBe(false)
})
