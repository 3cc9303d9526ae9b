// What stands in Redis about lanes and actions: what we write is read back as it was; anything else is refused with a
// code and never crashes; an undo stays with its record.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { LaneAction } from '@sluice/core/lane/action'
import { parseAction, parseUndo, sayAction, withUndo } from '@sluice/core/lane/action-log'
import { joinLanes, openLane, stepLane, type LaneState } from '@sluice/core/lane/lane'
import { readScopeKey, scopeKey, scopeKinds } from '@sluice/core/lane/scope'
import { parseLaneState } from '@sluice/core/lane/state'
import { countHit } from '@sluice/core/lane/trigger'
import { defaultReaction } from '@sluice/core/shaping/reaction'

const limits = { connection_limit: 10, message_rate: [], reaction: defaultReaction }
const at = 1_800_000_000_000
const load = { open: 5, minute: 100, busy: true }

const action: LaneAction = {
  id: 'yahoo/complaints/01a1fde6',
  kind: 'close',
  rule: 'yahoo/complaints',
  scope: { kind: 'lane', name: 'a', provider: 'yahoo' },
  reason: 'rate_limited, blame ip (yahoo/complaints)',
  evidence: ['01a1fde6'],
  count: 1,
  since: at,
  until: at + 1000,
}

/** A lane that has seen much. */
const learnt = (): LaneState => {
  const started = at - 1
  let state = stepLane(openLane, { kind: 'rate_refused', at, started, ...load, dice: 0.5 }, limits)
  state = stepLane(state, { kind: 'connection_refused', at: at + 1, started: at + 1, ...load }, limits)
  state = stepLane(state, { kind: 'blocked', at: at + 2, started: at + 2, action: 'x' }, limits)
  return { ...state, hits: countHit({}, 'rule', [at, 'o1'], 3, 60_000).hits }
}

describe('states and actions', () => {
  test('are read back as they were written', () => {
    expect(parseLaneState(JSON.stringify(learnt()))).toEqual(learnt())
    expect(parseLaneState(JSON.stringify(openLane))).toEqual(openLane)
    expect(parseAction(sayAction(action))).toEqual(action)
  })

  test('keep the undo beside the record', () => {
    const undone = { at, by: 'me', reason: 'a mistake' }
    expect(parseAction(sayAction(withUndo(action, undone)))).toEqual(action)
    expect(withUndo(parseAction(sayAction(action)), parseUndo(JSON.stringify(undone)))).toEqual({ ...action, undone })
  })

  test('refuse everything else with a code', () => {
    const refused = expect.objectContaining({ code: 'SLUICE_REDIS_CONTENT' }) as Error
    for (const text of ['', '{', '7', 'null', '[]', '{}', '"x"', '{"gate":1}']) {
      for (const parse of [parseLaneState, parseAction, parseUndo]) expect(() => parse(text)).toThrow(refused)
    }
    fc.assert(
      fc.property(fc.json(), (text) => {
        for (const parse of [parseLaneState, parseAction]) expect(() => parse(text)).toThrow(refused)
      }),
    )
    const endless = { ...action, evidence: Array.from({ length: 100 }, () => 'x') }
    expect(() => parseAction(JSON.stringify(endless))).toThrow(refused)
    expect(() => parseLaneState(JSON.stringify({ ...openLane, hits: { r: [[-1, 'x']] } }))).toThrow(refused)
  })
})

test('a scope key leads back to its scope', () => {
  const name = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
  fc.assert(
    fc.property(fc.constantFrom(...scopeKinds), name, name, (kind, one, provider) => {
      expect(readScopeKey(scopeKey({ kind, name: one, provider }))).toEqual({ kind, name: one, provider })
    }),
  )
  for (const text of ['', 'lane', 'lane|a', 'lane||x', 'dog|a|b', 'lane|a|b|c', 'lane|%|b']) {
    expect(readScopeKey(text)).toBeUndefined()
  }
})

test('who has learnt no rate does not make the others forget theirs', () => {
  const refusal = { kind: 'rate_refused', at, started: at - 1, open: 5, busy: true, dice: 0 } as const
  const knows = stepLane(openLane, { ...refusal, minute: 240 }, limits)
  const silent = stepLane(openLane, { ...refusal, at: at + 5, minute: 0 }, limits)
  expect(joinLanes(knows, silent).rate.value).toBeCloseTo(240 * 0.97)
  expect(joinLanes(silent, knows)).toEqual(joinLanes(knows, silent))
})
