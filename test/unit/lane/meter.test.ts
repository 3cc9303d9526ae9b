import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { acceptedInMinute, emptyMeter, meterAccepted } from '@sluice/core/lane/meter'

const t0 = 1_800_000_000_000

describe('the meter', () => {
  it('counts what was accepted in the last 60 seconds', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 60 }), (gaps) => {
        let at = t0
        let meter = emptyMeter
        const accepted: number[] = []
        for (const gap of gaps) {
          at += gap
          meter = meterAccepted(meter, at)
          accepted.push(at)
        }
        const now = at + 5000
        const recent = accepted.filter((one) => Math.floor(one / 1000) > Math.floor(now / 1000) - 60).length
        expect(acceptedInMinute(meter, now)).toBe(recent)
        expect(meter.counts.length).toBeLessThanOrEqual(60)
      }),
    )
  })

  it('stands a clock that goes back', () => {
    const meter = meterAccepted(meterAccepted(emptyMeter, t0), t0 - 5000)
    expect(acceptedInMinute(meter, t0)).toBe(2)
  })
})
