import { expect, test } from 'vitest'

import { decideForAll } from '@sluice/core/retry/part'
import type { RetryDecision } from '@sluice/core/retry/retry'

const retry = (at: number, only?: string): RetryDecision => ({
  kind: 'retry',
  at,
  why: 'schedule',
  ...(only === undefined ? {} : { only }),
})
const move: RetryDecision = { kind: 'move', at: 0, not: 'a' }
const expire: RetryDecision = { kind: 'expire' }
const fail: RetryDecision = { kind: 'fail' }

test.each([
  ['one decides for itself', [retry(5)], retry(5)],
  ['the most patient holds', [retry(5), retry(9), retry(7)], retry(9)],
  ['the source of the greylisted one is kept', [retry(9), retry(5, 'a')], retry(9, 'a')],
  ['all move together', [move, move], move],
  ['nobody moves where another has to wait', [move, retry(9)], retry(9)],
  ['nobody expires while another is tried again', [expire, retry(9)], retry(9)],
  ['nobody moves with one who is refused for good', [move, fail], fail],
  ['who would expire goes along at once', [expire, move], move],
  ['all expire together', [expire, expire], expire],
])('%s', (_, decisions, together) => {
  expect(decideForAll(decisions)).toEqual(together)
})
