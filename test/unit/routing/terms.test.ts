import { describe, expect, it } from 'vitest'

import { suspensionSchema, type Override, type Suspension } from '@sluice/core/routing/table'
import {
  anyLapsed,
  standing,
  withOverride,
  withoutOverride,
  withoutSuspension,
  withSuspension,
} from '@sluice/core/routing/terms'

const none = { overrides: [], suspensions: [] }
const suspension = (parts: Partial<Suspension> = {}): Suspension => ({
  id: 's1',
  source: 'a',
  author: 'anna',
  reason: 'listed',
  since: 1,
  ...parts,
})
const override = (parts: Partial<Override> = {}): Override => ({
  ...suspension({ id: 'o1' }),
  source: 'a',
  weight: 0,
  ...parts,
})

describe('terms', () => {
  it('replace those of the same target only', () => {
    let terms = withOverride(none, override({ id: 'o1' }))
    terms = withOverride(terms, override({ id: 'o2', provider: 'google' }))
    terms = withOverride(terms, override({ id: 'o3', pool: 'main' }))
    terms = withOverride(terms, override({ id: 'o4' }))
    expect(terms.overrides.map(({ id }) => id)).toEqual(['o2', 'o3', 'o4'])
  })

  it('are taken back by id, or not at all', () => {
    const terms = withOverride(none, override())
    expect(withoutOverride(terms, 'o9')).toBeUndefined()
    expect(withoutOverride(terms, 'o1')).toEqual({ terms: none, withdrawn: override() })
  })

  it('of a source are lifted for one provider, or all of them', () => {
    let terms = withSuspension(none, suspension())
    terms = withSuspension(terms, suspension({ id: 's2', provider: 'google' }))
    terms = withSuspension(terms, suspension({ id: 's3', source: 'b' }))
    expect(withoutSuspension(terms, { source: 'a', provider: 'google' })?.lifted.map(({ id }) => id)).toEqual(['s2'])
    expect(withoutSuspension(terms, { source: 'a' })?.terms.suspensions.map(({ id }) => id)).toEqual(['s3'])
    expect(withoutSuspension(terms, { source: 'a', provider: 'yahoo' })).toBeUndefined()
  })

  it('of a pool or a provider as a whole stand beside those of sources', () => {
    let terms = withSuspension(none, suspension())
    const { source: _source, ...whole } = suspension()
    terms = withSuspension(terms, { ...whole, id: 's2', provider: 'google' })
    terms = withSuspension(terms, { ...whole, id: 's3', pool: 'main' })
    terms = withSuspension(terms, { ...whole, id: 's4', pool: 'main', provider: 'google' })
    expect(terms.suspensions).toHaveLength(4)
    expect(withoutSuspension(terms, { provider: 'google' })?.lifted.map(({ id }) => id)).toEqual(['s2'])
    expect(withoutSuspension(terms, { pool: 'main' })?.lifted.map(({ id }) => id)).toEqual(['s3', 's4'])
    expect(withoutSuspension(terms, { source: 'a' })?.lifted.map(({ id }) => id)).toEqual(['s1'])
    expect(suspensionSchema.safeParse(whole).success).toBe(false)
  })

  it('lapse at their end', () => {
    const terms = { overrides: [override({ until: 10 })], suspensions: [suspension({ until: 20 }), suspension()] }
    expect(anyLapsed(terms, 9)).toBe(false)
    expect(anyLapsed(terms, 10)).toBe(true)
    expect(standing(terms, 20)).toEqual({ overrides: [], suspensions: [suspension()] })
  })
})
