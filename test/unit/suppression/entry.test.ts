import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  bucketCount,
  bucketOf,
  fieldOf,
  fieldsOf,
  packSuppression,
  readScope,
  sayScope,
  scopesFor,
  suppressionReasons,
  unpackSuppression,
  type Suppression,
  type SuppressionScope,
} from '@sluice/core/suppression/entry'

const minute = 60_000
const scope: fc.Arbitrary<SuppressionScope> = fc.oneof(
  fc.constant({ kind: 'global' } as const),
  fc.record({ kind: fc.constantFrom('tenant', 'stream'), name: fc.string({ minLength: 1, maxLength: 40 }) }),
)
const entry: fc.Arbitrary<Suppression> = fc
  .record({
    address: fc.oneof(fc.emailAddress(), fc.constant('"a quoted name"@example.com')),
    scope,
    reason: fc.constantFrom(...suppressionReasons),
    evidence: fc.oneof(fc.constant(''), fc.uuid()),
    since: fc.nat(30_000_000).map((minutes) => minutes * minute),
    until: fc.option(fc.nat(30_000_000).map((minutes) => minutes * minute)),
  })
  .map(({ until, ...one }) => ({
    ...one,
    address: one.address.toLowerCase(),
    ...(until !== null && { until }),
  }))

describe('a suppression in Redis', () => {
  it('comes back as it was, in values of at most 64 bytes', () => {
    fc.assert(
      fc.property(entry, (one) => {
        const packed = packSuppression(one)
        for (const [, value] of packed) expect(Buffer.from(value, 'latin1').length).toBeLessThanOrEqual(64)
        expect(unpackSuppression(packed.map(([, value]) => value))).toEqual(one)
        expect(fieldsOf(one.address, one.scope)).toEqual(expect.arrayContaining(packed.map(([field]) => field)))
      }),
    )
  })

  it('of the longest names in the longest letters fits', () => {
    const one: Suppression = {
      address: `${'\u{1f600}'.repeat(160)}@${'ä'.repeat(100)}.test`.slice(0, 320),
      scope: { kind: 'stream', name: `${'\u{1f600} '.repeat(64)}/${'s'.repeat(64)}` },
      reason: 'unsubscribe',
      evidence: '0199c0de-1234-7abc-8def-0123456789ab',
      since: 1_790_000_040_000,
    }
    expect(unpackSuppression(packSuppression(one).map(([, value]) => value))).toEqual(one)
  })

  it('of an ordinary address takes one field', () => {
    const packed = packSuppression({
      address: 'someone.ordinary@example.com',
      scope: { kind: 'global' },
      reason: 'hard_bounce',
      evidence: '0199c0de-1234-7abc-8def-0123456789ab',
      since: 1_790_000_040_000,
    })
    expect(packed).toHaveLength(1)
    expect(packed[0]?.[0]).toHaveLength(8)
  })

  it('is found whatever the letter case, and apart for each scope', () => {
    expect(bucketOf(' Anna@Example.COM ')).toBe(bucketOf('anna@example.com'))
    const fields = scopesFor('acme', 'news').map((one) => fieldOf('Anna@Example.com', one))
    expect(new Set(fields).size).toBe(4)
    expect(fieldOf('anna@example.com', { kind: 'global' })).toBe(fields[0])
  })

  it('is nothing where the content is not ours', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 4 }), (values) => {
        const read = unpackSuppression(values)
        expect(read === undefined || suppressionReasons.includes(read.reason)).toBe(true)
      }),
    )
    for (const broken of ['', '9 a b', '0 1  x tenant:%E0%A4%A a@b', '0 zz!! - ']) {
      expect(unpackSuppression([broken])).toBeUndefined()
    }
  })

  it('spreads over the buckets evenly', () => {
    const counts = new Map<number, number>()
    for (let i = 0; i < 20_000; i++) {
      const bucket = bucketOf(`user${i}@example.com`) % 64
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1)
    }
    expect(bucketCount % 64).toBe(0)
    expect(Math.max(...counts.values())).toBeLessThan(312 * 1.4)
    expect(Math.min(...counts.values())).toBeGreaterThan(312 * 0.6)
  })
})

it('a scope is written and read the same way', () => {
  fc.assert(
    fc.property(scope, (one) => {
      expect(readScope(sayScope(one))).toEqual(one)
    }),
  )
  for (const wrong of ['', 'tenant:', 'planet:earth', 'global:x']) expect(readScope(wrong)).toBeUndefined()
})
