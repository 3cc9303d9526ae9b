// States that workers learnt apart are put together in any order, any number of times, with the same result.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { joinLanes, openLane, stepLane, viewLane, type LaneEvent, type LaneState } from '@sluice/core/lane/lane'
import { countHit } from '@sluice/core/lane/trigger'
import { defaultReaction } from '@sluice/core/shaping/reaction'

const limits = { connection_limit: 10, message_rate: [], reaction: defaultReaction }
const start = 1_800_000_000_000

const ago = fc.integer({ min: 0, max: 60_000 })
const moment = fc.record({ at: fc.integer({ min: start, max: start + 3_600_000 }), ago })
const load = { open: fc.integer({ min: 0, max: 12 }), minute: fc.integer({ min: 0, max: 500 }), busy: fc.boolean() }
const wait_ms = fc.option(fc.integer({ min: 1000, max: 7_200_000 }), { nil: undefined })
const dice = fc.double({ min: 0, max: 0.999, noNaN: true })

const event: fc.Arbitrary<LaneEvent> = fc
  .tuple(
    moment,
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('delivered' as const), ...load }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('rate_refused' as const), ...load, wait_ms, dice }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('connection_refused' as const), ...load }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('blocked' as const),
          wait_ms,
          action: fc.constantFrom('a', 'b', 'c'),
        }),
      },
      fc.record({ kind: fc.constant('connect_failed' as const), dice }),
      fc.record({ kind: fc.constant('connected' as const) }),
      fc.record({ kind: fc.constant('cleared' as const) }),
    ),
  )
  .map(([{ at, ago: before }, rest]) => ({ at, started: at - before, ...rest }) as LaneEvent)

const history = fc
  .array(event, { maxLength: 30 })
  .map((events) =>
    events.toSorted((a, b) => a.at - b.at).reduce((state, one) => stepLane(state, one, limits), openLane),
  )

const lane: fc.Arbitrary<LaneState> = fc
  .tuple(history, fc.array(fc.tuple(fc.integer({ min: start, max: start + 1000 }), fc.constantFrom('x', 'y', 'z'))))
  .map(([state, hits]) => ({
    ...state,
    hits: hits.reduce((counted, [at, id]) => countHit(counted, 'rule', [at, id], 1000, 3_600_000).hits, state.hits),
  }))

describe('joining lanes', () => {
  it('is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(lane, lane, lane, (a, b, c) => {
        const normal = (one: LaneState) => joinLanes(one, openLane)
        expect(joinLanes(a, b)).toEqual(joinLanes(b, a))
        expect(joinLanes(joinLanes(a, b), c)).toEqual(joinLanes(a, joinLanes(b, c)))
        expect(joinLanes(a, a)).toEqual(normal(a))
        expect(joinLanes(joinLanes(a, b), b)).toEqual(joinLanes(a, b))
      }),
      { numRuns: 500 },
    )
  })

  it('is plain data that survives JSON', () => {
    fc.assert(
      fc.property(lane, (one) => {
        expect(JSON.parse(JSON.stringify(one))).toEqual(one)
      }),
    )
  })

  it('leaves no lane open that one of them had closed, unless it was opened since', () => {
    fc.assert(
      fc.property(lane, lane, fc.integer({ min: start, max: start + 7_200_000 }), (a, b, now) => {
        const closed = viewLane(a, limits, now).phase === 'closed'
        fc.pre(closed && b.gate.cleared.at < (a.gate.closings[0]?.since ?? 0))
        expect(viewLane(joinLanes(a, b), limits, now).phase).toBe('closed')
      }),
    )
  })

  it('keeps the phase and the limits sane whatever happens', () => {
    fc.assert(
      fc.property(lane, fc.integer({ min: start, max: start + 7_200_000 }), (one, now) => {
        const view = viewLane(one, limits, now)
        expect(view.connections).toBeGreaterThanOrEqual(0)
        expect(view.connections).toBeLessThanOrEqual(limits.connection_limit)
        expect(view.connections === 0).toBe(view.until !== undefined)
        if (view.until !== undefined) expect(view.until).toBeGreaterThan(now)
        for (const rate of view.message_rate) expect(rate.limit).toBeGreaterThanOrEqual(1)
      }),
    )
  })
})
