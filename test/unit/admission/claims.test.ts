import { expect, test } from 'vitest'

import { Claims } from '@sluice/core/admission/claims'

test('a worker without waiting mail owes all it can spare', () => {
  expect(new Claims().claimed('b', 3, { held: 5, limit: 5, busy: false }, 0)).toBe(3)
  expect(new Claims().claimed('b', 9, { held: 5, limit: 5, busy: false }, 0)).toBe(5)
})

test('a busy worker keeps its equal share, rounded up', () => {
  expect(new Claims().claimed('b', 9, { held: 5, limit: 5, busy: true }, 0)).toBe(2)
  expect(new Claims().claimed('b', 9, { held: 3, limit: 5, busy: true }, 0)).toBe(0)
  const claims = new Claims()
  claims.claimed('b', 9, { held: 9, limit: 9, busy: true }, 0)
  expect(claims.claimed('c', 9, { held: 9, limit: 9, busy: true }, 0)).toBe(6)
})

test('with fewer leases than workers they take turns', () => {
  const claims = new Claims()
  const one = { held: 1, limit: 1, busy: true }
  claims.turnBegins(0)
  expect(claims.turnIsOver(one, 10_000)).toBe(false)
  expect(claims.claimed('b', 1, one, 10_000)).toBe(0)
  expect(claims.turnIsOver(one, 10_001)).toBe(true)
  expect(claims.turnIsOver(one, 10_002)).toBe(false)
  expect(claims.turnIsOver(one, 12_001)).toBe(true)
})

test('a worker that asks no more is forgotten', () => {
  const claims = new Claims()
  const one = { held: 1, limit: 1, busy: true }
  claims.claimed('b', 1, one, 0)
  expect(claims.turnIsOver(one, 20_000)).toBe(false)
})
