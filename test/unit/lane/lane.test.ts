import { describe, expect, it } from 'vitest'

import {
  isAtRest,
  joinLanes,
  openLane,
  stepLane,
  viewLane,
  type LaneEvent,
  type LaneState,
} from '@sluice/core/lane/lane'
import { minute, second } from '@sluice/core/shaping/rate'
import { defaultReaction } from '@sluice/core/shaping/reaction'

const limits = { connection_limit: 20, message_rate: [], reaction: defaultReaction }
const t0 = 1_800_000_000_000
const load = { open: 10, minute: 300, busy: true }

const play = (state: LaneState, ...events: readonly LaneEvent[]): LaneState =>
  events.reduce((now, event) => stepLane(now, event, limits), state)

const delivered = (at: number, open = 20): LaneEvent => ({ kind: 'delivered', at, started: at - 100, ...load, open })
const blocked = (at: number, rest: object = {}): LaneEvent => ({
  kind: 'blocked',
  at,
  started: at - 100,
  action: 'a1',
  ...rest,
})
const connectionRefused = (at: number, open: number, started = at - 100): LaneEvent => ({
  kind: 'connection_refused',
  at,
  started,
  ...load,
  open,
})
const rateRefused = (at: number, rest: object = {}): LaneEvent => ({
  kind: 'rate_refused',
  at,
  started: at - 100,
  dice: 0,
  ...load,
  ...rest,
})
const view = (state: LaneState, at: number) => viewLane(state, limits, at)

describe('an open lane', () => {
  it('allows its connection limit and its configured rates', () => {
    expect(view(openLane, t0)).toEqual({ phase: 'open', connections: 20, message_rate: [] })
  })

  it('stays as it is for successes', () => {
    expect(play(openLane, delivered(t0))).toEqual(openLane)
  })
})

describe('"too many connections"', () => {
  it('sets the window to what held before', () => {
    expect(view(play(openLane, connectionRefused(t0, 8)), t0).connections).toBe(7)
  })

  it('finds what was accepted where several are refused at once', () => {
    // Ten at once, five accepted: each refused one is gone when the next refusal is read.
    const burst = [10, 9, 8, 7, 6].map((open, index) => connectionRefused(t0 + index, open, t0 - 500))
    expect(view(play(openLane, ...burst), t0 + 10).connections).toBe(5)
  })

  it('halves where nobody knows how many there were', () => {
    expect(view(play(openLane, connectionRefused(t0, 0)), t0).connections).toBe(10)
  })

  it('leaves one connection at least', () => {
    expect(view(play(openLane, connectionRefused(t0, 1)), t0).connections).toBe(1)
  })
})

describe('a narrowed window', () => {
  const narrowed = play(openLane, rateRefused(t0, { open: 20 }))

  it('is halved once for all attempts that were under way', () => {
    const echoes = play(
      narrowed,
      rateRefused(t0 + 50, { started: t0 - 50 }),
      rateRefused(t0 + 90, { started: t0 - 20 }),
    )
    expect(echoes.window.value).toBe(10)
  })

  it('widens by one for each round of successes, while it is used in full', () => {
    let state = narrowed
    for (let n = 0; n < 10; n++) state = play(state, delivered(t0 + minute + n, 10))
    expect(state.window.value).toBeCloseTo(11)
    for (let n = 0; n < 100; n++) state = play(state, delivered(t0 + minute + n, 3))
    expect(state.window.value).toBeCloseTo(11)
  })

  it('stops below what was refused, and tries that again rarely', () => {
    let state = play(openLane, connectionRefused(t0, 6))
    for (let n = 0; n < 500; n++) state = play(state, delivered(t0 + second + n, 5))
    expect(view(state, t0 + 2 * second).connections).toBe(5)
    state = play(state, delivered(t0 + 31 * second, 5))
    expect(view(state, t0 + 31 * second).connections).toBe(6)
  })

  it('waits longer for each probe that is refused', () => {
    let state = openLane
    let at = t0
    const waits: number[] = []
    for (let probe = 0; probe < 4; probe++) {
      const refused = at
      state = play(state, connectionRefused(at, 6))
      while (view(state, at).connections < 6) state = play(state, delivered((at += second / 4), 5))
      waits.push(Math.round((at - refused) / second))
    }
    expect(waits).toEqual([30, 60, 90, 90])
  })

  it('forgets the refused level when a probe holds', () => {
    let state = play(openLane, connectionRefused(t0, 6))
    for (let n = 0; n < 100; n++) state = play(state, delivered(t0 + second + n, 5))
    let at = t0 + minute
    for (let n = 0; n < 400; n++) state = play(state, delivered((at += 50), view(state, at).connections))
    expect(view(state, at)).toMatchObject({ phase: 'open', connections: 20 })
  })
})

describe('a rate refusal', () => {
  it('takes breath, then lets one message try, then goes on at what was accepted, less some headroom', () => {
    const state = play(openLane, rateRefused(t0, { open: 20, minute: 300 }))
    expect(view(state, t0 + 1)).toMatchObject({ phase: 'narrowed', connections: 0, until: t0 + 2 * second })
    expect(view(state, t0 + 2 * second).connections).toBe(1)
    const after = play(state, delivered(t0 + 2.1 * second, 1))
    expect(view(after, t0 + 2.2 * second)).toMatchObject({
      connections: 10,
      message_rate: [{ limit: 291, window_ms: minute }],
    })
  })

  it('waits as long as the provider says, within bounds', () => {
    const state = play(openLane, rateRefused(t0, { wait_ms: 5 * minute }))
    expect(view(state, t0).until).toBe(t0 + 5 * minute)
    const bounded = play(openLane, rateRefused(t0, { wait_ms: 10_000 * minute }))
    expect(view(bounded, t0).until).toBe(t0 + defaultReaction.close_max)
  })

  it('learns nothing from a lane that was silent', () => {
    expect(play(openLane, rateRefused(t0, { minute: 0 })).rate.value).toBe(0)
  })

  it('breathes longer the longer it is refused, up to the closing time', () => {
    let state = openLane
    let at = t0
    const breaths: number[] = []
    for (let n = 0; n < 18; n++) {
      state = play(state, rateRefused(at, { started: at }))
      breaths.push(((view(state, at).until ?? 0) - at) / second)
      at = view(state, at).until ?? at
    }
    expect(breaths).toEqual([2, 6, 10, 10, 10, 10, 10, 10, 10, 10, 20, 40, 80, 160, 320, 600, 600, 600])
  })
})

describe('a blocked lane', () => {
  const closed = play(openLane, blocked(t0))

  it('is closed for ten minutes, or as long as the provider says', () => {
    expect(view(closed, t0)).toEqual({
      phase: 'closed',
      connections: 0,
      until: t0 + 10 * minute,
      message_rate: [],
      action: 'a1',
    })
    expect(view(play(openLane, blocked(t0, { wait_ms: 30 * minute })), t0).until).toBe(t0 + 30 * minute)
  })

  it('learns nothing new from attempts that were under way', () => {
    expect(play(closed, blocked(t0 + second, { started: t0 - second }))).toEqual(closed)
    const delayed = play(closed, blocked(t0 + second, { started: t0 - second, wait_ms: 30 * minute }))
    expect(view(delayed, t0 + minute).until).toBe(t0 + second + 30 * minute)
  })

  it('comes back with one connection, then one more at a time', () => {
    let at = t0 + 10 * minute
    let state = closed
    const widths: number[] = []
    for (let n = 0; n < 12; n++) {
      widths.push(view(state, at).connections)
      state = play(state, delivered((at += second)))
    }
    expect(widths).toEqual([1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5])
    for (let n = 0; n < 200; n++) state = play(state, delivered((at += second)))
    expect(view(state, at)).toMatchObject({ phase: 'open', connections: 20 })
  })

  it('does not count successes of attempts that began before', () => {
    const at = t0 + 11 * minute
    const state = play(closed, { kind: 'delivered', at, started: t0 - minute, ...load })
    expect(view(state, at).connections).toBe(1)
  })

  it('waits again, longer, after a failure in recovery, whatever refuses', () => {
    const at = t0 + 10 * minute + second
    for (const refusal of [blocked(at), rateRefused(at), connectionRefused(at, 1)]) {
      const again = play(closed, refusal)
      expect(view(again, at)).toMatchObject({ phase: 'closed', until: at + 20 * minute })
    }
  })

  it('closes for longer when it relapses soon after its recovery', () => {
    let at = t0 + 10 * minute
    let state = closed
    for (let n = 0; n < 300; n++) state = play(state, delivered((at += second)))
    expect(view(state, at).phase).toBe('open')
    expect(view(play(state, blocked(at + minute)), at + minute).until).toBe(at + 21 * minute)
    const later = at + 60 * minute
    expect(view(play(state, blocked(later)), later).until).toBe(later + 10 * minute)
  })

  it('is opened at once by an undo, on every worker', () => {
    const undone = play(closed, { kind: 'cleared', at: t0 + minute })
    expect(view(undone, t0 + minute)).toMatchObject({ phase: 'open', connections: 20 })
    expect(view(joinLanes(closed, undone), t0 + minute).phase).toBe('open')
    expect(view(joinLanes(undone, play(closed, blocked(t0 + 2 * minute))), t0 + 3 * minute).phase).toBe('closed')
  })
})

describe('a state', () => {
  it('need not be kept once everything is as it would be without it', () => {
    expect(isAtRest(openLane, limits, t0)).toBe(true)
    const closed = play(openLane, blocked(t0))
    expect(isAtRest(closed, limits, t0 + minute)).toBe(false)
    let at = t0 + 10 * minute
    let state = closed
    for (let n = 0; n < 300; n++) state = play(state, delivered((at += second)))
    // A relapse would still count against it.
    expect(isAtRest(state, limits, at)).toBe(false)
    expect(isAtRest(state, limits, at + 20 * minute)).toBe(true)
    expect(isAtRest(play(openLane, connectionRefused(t0, 5)), limits, t0 + 100 * minute)).toBe(false)
  })
})

describe('the circuit breaker', () => {
  const failed = (at: number): LaneEvent => ({ kind: 'connect_failed', at, started: at, dice: 0 })

  it('holds the lane after five failures in a row, waits longer each time, and lets one connection try', () => {
    let state = openLane
    for (let n = 0; n < 4; n++) state = play(state, failed(t0 + n))
    expect(view(state, t0 + 4).connections).toBe(20)
    state = play(state, failed(t0 + 4))
    expect(view(state, t0 + 5)).toMatchObject({ connections: 0, until: t0 + 4 + 10 * second })
    expect(view(state, t0 + 11 * second).connections).toBe(1)
    state = play(state, failed(t0 + 11 * second))
    expect(view(state, t0 + 11 * second).until).toBe(t0 + 31 * second)
  })

  it('closes with the first connection, and has touched no window', () => {
    let state = openLane
    for (let n = 0; n < 5; n++) state = play(state, failed(t0 + n))
    state = play(state, { kind: 'connected', at: t0 + 20 * second, started: t0 + 19 * second })
    expect(view(state, t0 + 20 * second)).toEqual({ phase: 'open', connections: 20, message_rate: [] })
  })

  it('ignores failures of attempts that began before it opened', () => {
    let state = openLane
    for (let n = 0; n < 5; n++) state = play(state, failed(t0 + n))
    const echo = play(state, { kind: 'connect_failed', at: t0 + second, started: t0, dice: 0 })
    expect(echo).toEqual(state)
  })
})
