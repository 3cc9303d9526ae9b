import { describe, expect, it } from 'vitest'

import { readEgress } from '@sluice/core/config/egress'
import { effectiveWeights } from '@sluice/core/routing/effective'
import type { Override, RoutingDocument } from '@sluice/core/routing/table'

const config = readEgress(
  'egress.yaml',
  `
sources:
  a: { ip: 127.0.1.1, ehlo: a.example.com }
  b: { ip: 127.0.1.2, ehlo: b.example.com }
pools:
  main: { a: 3, b: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`,
)

const override = (parts: Partial<Override>): Override => ({
  id: 'o1',
  source: 'a',
  weight: 0,
  author: 'anna',
  reason: 'listed',
  since: 1000,
  ...parts,
})

const documentWith = (parts: Partial<RoutingDocument>): RoutingDocument => ({
  version: 1,
  at: 0,
  by: 'test',
  reason: 'test',
  pools: {},
  overrides: [],
  suspensions: [],
  ...parts,
})

const weightsAt = (document: RoutingDocument | undefined, now: number, provider = 'google') =>
  effectiveWeights(config, document, 'main', provider, now).weights.map(({ weight }) => weight)

describe('effective weights', () => {
  it('are the base weights while no document was published', () => {
    expect(weightsAt(undefined, 0)).toEqual([3, 1])
  })

  it('take the score of the provider, and that of any provider where it has none', () => {
    const entry = (weight: number) => ({ weight, factors: { base: 3, reputation: weight / 3 } })
    const document = documentWith({ pools: { main: { google: { a: entry(0.3) }, '*': { a: entry(2) } } } })
    expect(weightsAt(document, 0)).toEqual([0.3, 1])
    expect(weightsAt(document, 0, 'yahoo')).toEqual([2, 1])
  })

  it('follow a changed configuration rather than a score made for the old base weight', () => {
    const entry = { weight: 0.5, factors: { base: 1, reputation: 0.5 } }
    expect(weightsAt(documentWith({ pools: { main: { '*': { a: entry } } } }), 0)).toEqual([3, 1])
  })

  it('are replaced by an override from its beginning to its expiry, without a new document', () => {
    const document = documentWith({ overrides: [override({ until: 2000 })] })
    expect(weightsAt(document, 999)).toEqual([3, 1])
    expect(weightsAt(document, 1000)).toEqual([0, 1])
    expect(weightsAt(document, 2000)).toEqual([3, 1])
    expect(effectiveWeights(config, document, 'main', 'google', 1500).until).toBe(2000)
  })

  it('obey the more precise of two overrides, then the newer', () => {
    const document = documentWith({
      overrides: [
        override({ id: 'wide', weight: 9, since: 5 }),
        override({ id: 'narrow', weight: 7, provider: 'google', since: 1 }),
        override({ id: 'newer', weight: 8, since: 6 }),
      ],
    })
    expect(weightsAt(document, 10)).toEqual([7, 1])
    expect(weightsAt(document, 10, 'yahoo')).toEqual([8, 1])
  })

  it('are nothing for a suspended source, whatever an override says', () => {
    const { weight: _weight, ...suspension } = override({ id: 's1', provider: 'google' })
    const document = documentWith({ overrides: [override({ weight: 50 })], suspensions: [suspension] })
    expect(weightsAt(document, 1000)).toEqual([0, 1])
    expect(weightsAt(document, 1000, 'yahoo')).toEqual([50, 1])
  })

  it('are nothing for a suspended pool, and towards a suspended provider, until that lapses', () => {
    const { weight: _weight, source: _source, ...whole } = override({ id: 's1', until: 2000 })
    const provider = documentWith({ suspensions: [{ ...whole, provider: 'google' }] })
    expect(weightsAt(provider, 1000)).toEqual([0, 0])
    expect(weightsAt(provider, 1000, 'yahoo')).toEqual([3, 1])
    expect(weightsAt(provider, 2000)).toEqual([3, 1])
    expect(weightsAt(documentWith({ suspensions: [{ ...whole, pool: 'main' }] }), 1000, 'yahoo')).toEqual([0, 0])
    expect(weightsAt(documentWith({ suspensions: [{ ...whole, pool: 'spare' }] }), 1000)).toEqual([3, 1])
  })
})
