import { describe, expect, it } from 'vitest'

import { quietHours, quietUntil } from '@sluice/core/shaping/quiet'

const at = (text: string): number => Date.parse(text)
const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString())

describe('quiet hours', () => {
  it('hold from the first minute to the last, in UTC where no zone is named', () => {
    const spans = quietHours.parse([{ from: '09:00', until: '17:30' }])
    expect(quietUntil(spans, at('2026-11-21T08:59:59.999Z'))).toBeUndefined()
    expect(iso(quietUntil(spans, at('2026-11-21T09:00:00Z')))).toBe('2026-11-21T17:30:00.000Z')
    expect(iso(quietUntil(spans, at('2026-11-21T17:29:59Z')))).toBe('2026-11-21T17:30:00.000Z')
    expect(quietUntil(spans, at('2026-11-21T17:30:00Z'))).toBeUndefined()
  })

  it('pass midnight', () => {
    const spans = quietHours.parse([{ from: '22:00', until: '07:00', zone: 'Europe/Berlin' }])
    expect(iso(quietUntil(spans, at('2026-11-21T21:30:00Z')))).toBe('2026-11-22T06:00:00.000Z')
    expect(iso(quietUntil(spans, at('2026-11-22T03:00:00Z')))).toBe('2026-11-22T06:00:00.000Z')
    expect(quietUntil(spans, at('2026-11-22T06:00:00Z'))).toBeUndefined()
  })

  it('begin on their days only, the night after included', () => {
    const spans = quietHours.parse([{ from: '20:00', until: '08:00', days: ['sat'] }])
    expect(iso(quietUntil(spans, at('2026-11-21T21:00:00Z')))).toBe('2026-11-22T08:00:00.000Z') // Saturday
    expect(iso(quietUntil(spans, at('2026-11-22T07:00:00Z')))).toBe('2026-11-22T08:00:00.000Z') // Sunday morning
    expect(quietUntil(spans, at('2026-11-22T21:00:00Z'))).toBeUndefined() // Sunday evening
  })

  it('keep their clock hours when summer time ends or begins', () => {
    const spans = quietHours.parse([{ from: '22:00', until: '07:00', zone: 'Europe/Berlin' }])
    expect(iso(quietUntil(spans, at('2026-10-24T21:00:00Z')))).toBe('2026-10-25T06:00:00.000Z') // +02:00 to +01:00
    expect(iso(quietUntil(spans, at('2026-03-28T22:00:00Z')))).toBe('2026-03-29T05:00:00.000Z') // +01:00 to +02:00
  })

  it('are one where they touch', () => {
    const spans = quietHours.parse([
      { from: '09:00', until: '12:00' },
      { from: '12:00', until: '14:00' },
    ])
    expect(iso(quietUntil(spans, at('2026-11-21T10:00:00Z')))).toBe('2026-11-21T14:00:00.000Z')
  })

  it('refuse an unknown zone, a bad time and an empty span', () => {
    expect(quietHours.safeParse([{ from: '09:00', until: '12:00', zone: 'Mars/Olympus' }]).success).toBe(false)
    expect(quietHours.safeParse([{ from: '24:00', until: '12:00' }]).success).toBe(false)
    expect(quietHours.safeParse([{ from: '09:00', until: '09:00' }]).success).toBe(false)
  })
})
