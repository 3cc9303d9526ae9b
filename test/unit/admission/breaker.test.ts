import { expect, test } from 'vitest'

import { admits, fail, opensAt, probe, relayBackOff, soundBreaker } from '@sluice/core/admission/breaker'

test('a sound circuit admits everybody', () => {
  expect(admits(soundBreaker, 0)).toBe(true)
  expect(probe(soundBreaker, 5)).toBe(soundBreaker)
  expect(opensAt(soundBreaker, 0)).toBe(Infinity)
})

test('a failure closes it for the back-off, then one probe at a time goes', () => {
  const broken = fail(soundBreaker, 10_000, 0)
  expect(admits(broken, 10_999)).toBe(false)
  expect(opensAt(broken, 10_500)).toBe(11_000)
  expect(admits(broken, 11_000)).toBe(true)
  const probed = probe(broken, 11_000)
  expect(admits(probed, 11_001)).toBe(false)
  expect(opensAt(probed, 11_001)).toBe(11_000 + relayBackOff.probePatience)
})

test('a failed probe doubles the back-off up to a limit; failures of mails sent before do not', () => {
  let breaker = fail(soundBreaker, 0, 0)
  expect(fail(breaker, 500, 0)).toBe(breaker)
  const waits: number[] = []
  for (let n = 0; n < 12; n++) {
    const at = breaker.retryAt
    breaker = fail(probe(breaker, at), at, 0)
    waits.push(breaker.retryAt - at)
  }
  expect(waits.slice(0, 4)).toEqual([2000, 4000, 8000, 16_000])
  expect(waits.at(-1)).toBe(relayBackOff.longest)
})

test('the dice spread the probes of many workers', () => {
  expect(fail(soundBreaker, 0, 0.99).retryAt).toBeGreaterThan(fail(soundBreaker, 0, 0.1).retryAt)
})

test('a probe that is never settled counts as lost', () => {
  const broken = probe(fail(soundBreaker, 0, 0), 1000)
  expect(admits(broken, 1000 + relayBackOff.probePatience)).toBe(true)
})
