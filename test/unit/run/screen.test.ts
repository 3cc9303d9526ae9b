import { describe, expect, test } from 'vitest'

import { byVolume, cellOf, totalsOf, type Count, type Figures } from '@sluice/run/summary/figures'
import { line, screen, type Layout } from '@sluice/run/summary/screen'

const count = (provider: string, source: string, kind: string, total: number, recent = total): Count => ({
  provider,
  source,
  kind,
  total,
  recent,
})

const figures: Figures = {
  at: 61_000,
  since: 0,
  submitted: 5000,
  planned: 30_000,
  routingVersion: 7,
  counts: [
    count('goggle', 'mk-1', 'delivered', 2000, 30),
    count('goggle', 'mk-2', 'delivered', 900, 10),
    count('goggle', 'mk-2', 'bounced', 40, 0),
    count('yonder', 'mk-1', 'deferred', 12, 12),
    count('yonder', 'mk-1', 'accepted', 500, 500),
  ],
  standings: [
    { pool: 'marketing', provider: '*', source: 'mk-1', standing: 1 },
    { pool: 'marketing', provider: '*', source: 'mk-2', standing: 1 },
    { pool: 'marketing', provider: 'goggle', source: 'mk-2', standing: 0.2 },
  ],
  events: [{ at: 40_000, text: 'mk-2 is on the block list of goggle' }],
}
const layout: Layout = {
  width: 100,
  height: 40,
  pools: { marketing: ['mk-1', 'mk-2'] },
  paint: (_style, text) => text,
}

describe('the figures', () => {
  test('add up by what happened; what is no outcome of an attempt is left out', () => {
    expect(totalsOf(figures.counts)).toEqual({ delivered: 2900, deferred: 12, bounced: 40 })
  })

  test('name providers by volume', () => {
    expect(byVolume(figures.counts, 'provider')).toEqual(['goggle', 'yonder'])
  })

  test('give a source its share of its pool and its standing, the provider’s own before the general one', () => {
    const mates = () => ['mk-1', 'mk-2']
    expect(cellOf(figures, 'goggle', 'mk-2', mates)).toEqual({ share: 0.25, standing: 0.2 })
    expect(cellOf(figures, 'yonder', 'mk-2', mates)).toEqual({ share: 0, standing: 1 })
    expect(cellOf(figures, 'pear', 'mk-2', mates)).toEqual({ share: undefined, standing: 1 })
  })
})

describe('the screen', () => {
  test('fits the terminal, whatever there is to say', () => {
    const crowd: Figures = {
      ...figures,
      counts: Array.from({ length: 200 }, (_, i) => count(`provider-with-a-long-name-${i}`, 'mk-1', 'delivered', 1)),
      events: Array.from({ length: 50 }, (_, i) => ({ at: i, text: 'x'.repeat(300) })),
    }
    const lines = screen(crowd, layout)
    expect(lines.length).toBeLessThanOrEqual(layout.height)
    expect(Math.max(...lines.map((text) => text.length))).toBeLessThanOrEqual(layout.width)
  })

  test('shows totals, one row per provider and the latest events', () => {
    const text = screen(figures, layout).join('\n')
    expect(text).toContain('submitted 5,000 of 30,000')
    expect(text).toMatch(/goggle +2,900 +0 +40 +75% 1\.0 +25% 0\.2/)
    expect(text).toContain('0:40  mk-2 is on the block list of goggle')
  })

  test('is one line where there is no terminal', () => {
    expect(line(figures)).toBe('1:01 submitted 5000 sent 2900 deferred 12 bounced 40 routing v7')
  })
})
