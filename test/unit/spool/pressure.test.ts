import { expect, test } from 'vitest'

import { outcomeKinds } from '@sluice/core/outcome/record'
import { drops, pressureOf } from '@sluice/core/spool/pressure'

const roomy = { used: 0, max: 1000, free: 10_000, minFree: 100 }

test.each([
  [{}, 0],
  [{ used: 500 }, 0.5],
  [{ used: 2000 }, 1],
  [{ free: 200 }, 0],
  [{ free: 150 }, 0.5],
  [{ free: 100 }, 1],
  [{ free: 0, minFree: 0 }, 0],
  [{ used: 900, free: 150 }, 0.9],
])('room %j presses with %d', (more, pressure) => {
  expect(pressureOf({ ...roomy, ...more })).toBeCloseTo(pressure)
})

test('the least valuable kinds go first, all go at 1', () => {
  const dropped = (pressure: number) => outcomeKinds.filter((kind) => drops(kind, pressure))
  expect(dropped(0.79)).toEqual([])
  expect(dropped(0.8)).toEqual(['accepted', 'tried'])
  expect(dropped(0.9)).toEqual(['accepted', 'tried', 'delivered', 'opened', 'clicked'])
  expect(dropped(0.99)).not.toContain('bounced')
  expect(dropped(1)).toEqual([...outcomeKinds])
})
