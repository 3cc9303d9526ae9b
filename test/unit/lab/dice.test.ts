// Dice fall the same way every time, evenly, and independently of each other.

import { diceOf, drawOf } from '@sluice/lab/dice'
import { expect, test } from 'vitest'

test('the same words give the same draw, other words another', () => {
  expect(drawOf('a', 'b')).toBe(drawOf('a', 'b'))
  expect(drawOf('a', 'b')).not.toBe(drawOf('ab'))
  expect(drawOf('a', 'b')).not.toBe(drawOf('b', 'a'))
})

test('draws of consecutive addresses are spread evenly', () => {
  const cells = new Array<number>(10).fill(0)
  for (let i = 0; i < 100_000; i++) {
    const cell = Math.floor(drawOf('seed', `user${i}@one.test`) * 10)
    cells[cell] = (cells[cell] ?? 0) + 1
  }
  // 10,000 expected in each cell, standard deviation 95
  for (const count of cells) expect(Math.abs(count - 10_000)).toBeLessThan(500)
})

test('a sequence repeats with its seed and has the mean of even dice', () => {
  const [one, other] = [diceOf('x'), diceOf('x')]
  const draws = Array.from({ length: 10_000 }, () => one())
  expect(Array.from({ length: 10_000 }, () => other())).toEqual(draws)
  expect(draws.reduce((a, b) => a + b) / draws.length).toBeCloseTo(0.5, 1)
  expect(diceOf('y')()).not.toBe(diceOf('x')())
})
