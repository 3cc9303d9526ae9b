// Sliding windows against a model that keeps every time.

import { PeakWindow, SlidingLimit } from '@sluice/lab/behaviour/window'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const steps = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 200 })

test('a limit admits exactly what a model with all times admits', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (gaps, max) => {
      const limit = new SlidingLimit(max, 1000)
      const admitted: number[] = []
      let now = 0
      for (const gap of gaps) {
        now += gap
        const inWindow = admitted.filter((at) => now - at < 1000).length
        expect(limit.fits(now)).toBe(inWindow < max)
        if (!limit.fits(now)) continue
        limit.take(now)
        admitted.push(now)
      }
    }),
  )
})

test('a peak is the largest count of any window that ends at an event', () => {
  fc.assert(
    fc.property(steps, (gaps) => {
      const peak = new PeakWindow(1000)
      const times: number[] = []
      let most = 0
      let now = 0
      for (const gap of gaps) {
        now += gap
        times.push(now)
        peak.add(now)
        most = Math.max(most, times.filter((at) => now - at < 1000).length)
      }
      expect(peak.peak).toBe(most)
    }),
  )
})

test('a peak window forgets what has left it, also after thousands of events', () => {
  const window = new PeakWindow(1000)
  for (let at = 0; at < 20_000; at++) window.add(at)
  expect(window.peak).toBe(1000)
  expect(window.count(100_000)).toBe(0)
})
