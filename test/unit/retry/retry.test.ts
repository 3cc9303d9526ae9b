import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { blames, bounceActions, bounceClasses, type Verdict } from '@sluice/core/bounce/verdict'
import { decideRetry, type RetryQuestion } from '@sluice/core/retry/retry'
import { builtIn } from '@sluice/core/shaping/limits'
import { day, hour, minute, second } from '@sluice/core/shaping/rate'

const t0 = 1_800_000_000_000
const limits = builtIn.retry

const verdictOf = (rest: Partial<Verdict> = {}): Verdict => ({
  class: 'receiver_fault',
  blame: 'receiver',
  hard: false,
  permanent: false,
  action: 'retry',
  rule: 'r',
  ...rest,
})

const ask = (verdict: Partial<Verdict> = {}, rest: Partial<RetryQuestion> = {}) =>
  decideRetry({
    verdict: verdictOf(verdict),
    attempt: 1,
    queued: t0,
    now: t0,
    dice: 0,
    limits,
    route: { source: 'ip-1', others: ['ip-2'], move_on_block: true },
    ...rest,
  })

describe('a retry', () => {
  it('follows the schedule, the last step of which repeats', () => {
    const waits = [1, 2, 3, 7, 8, 50].map((attempt) => ask({}, { attempt }))
    expect(waits.map((one) => (one.kind === 'retry' ? (one.at - t0) / minute : NaN))).toEqual([
      5, 10, 20, 240, 240, 240,
    ])
  })

  it('follows the schedule of its class where there is one', () => {
    expect(ask({ class: 'mailbox_full', blame: 'recipient' })).toEqual({ kind: 'retry', at: t0 + hour, why: 'class' })
  })

  it('is spread by dice, upward only', () => {
    expect(ask({}, { dice: 0.5 })).toMatchObject({ at: t0 + 5.5 * minute })
  })

  it.each([
    [300, 5 * minute],
    [1, 30 * second],
    [30 * 86_400, 6 * hour],
  ])('honours "try again in %d s" within bounds', (wait_s, wait) => {
    expect(ask({ wait_s })).toEqual({ kind: 'retry', at: t0 + wait, why: 'provider' })
  })

  it('does not come back every minute for days because somebody says so each time', () => {
    const waits = [1, 3, 4, 7, 50].map((attempt) => ask({ wait_s: 60 }, { attempt }))
    expect(waits.map((one) => (one.kind === 'retry' ? (one.at - t0) / minute : NaN))).toEqual([1, 1, 10, 60, 60])
  })

  it('keeps the same source for greylisting, and waits as the text says', () => {
    expect(ask({ class: 'greylisted', wait_s: 120 })).toEqual({
      kind: 'retry',
      at: t0 + 2 * minute,
      why: 'provider',
      only: 'ip-1',
    })
    expect(ask({ class: 'greylisted' })).toMatchObject({ only: 'ip-1', why: 'class' })
  })
})

describe('a block of the address', () => {
  const block = { class: 'ip_blocked', blame: 'ip', action: 'close_lane', permanent: true } as const

  it('goes out by another source at once, where the stream allows it and there is one', () => {
    expect(ask(block)).toEqual({ kind: 'move', at: t0, not: 'ip-1' })
    expect(ask({ ...block, permanent: false })).toEqual({ kind: 'move', at: t0, not: 'ip-1' })
  })

  it('fails, or waits, where it may not', () => {
    const stay = { source: 'ip-1', others: ['ip-2'], move_on_block: false }
    expect(ask(block, { route: stay }).kind).toBe('fail')
    expect(ask({ ...block, permanent: false }, { route: stay }).kind).toBe('retry')
    expect(ask(block, { route: { source: 'ip-1', others: [], move_on_block: true } }).kind).toBe('fail')
  })
})

describe('content and identity blame', () => {
  it('never move mail to another source, whatever else the verdict says', () => {
    for (const blame of blames.filter((one) => one !== 'ip' && one !== 'netblock')) {
      for (const name of bounceClasses) {
        for (const action of bounceActions) {
          expect(ask({ blame, class: name, action }).kind).not.toBe('move')
        }
      }
    }
  })
})

describe('old mail', () => {
  it('gets one last chance at the end of its age, then expires', () => {
    expect(ask({}, { now: t0 + 5 * day - 4 * minute })).toEqual({
      kind: 'retry',
      at: t0 + 5 * day - 1,
      why: 'last_chance',
    })
    expect(ask({}, { now: t0 + 5 * day - 10 * second })).toEqual({ kind: 'expire' })
    expect(ask({}, { now: t0 + 5 * day })).toEqual({ kind: 'expire' })
  })

  it("expires at its stream's age, where that is less", () => {
    expect(ask({}, { now: t0 + 4 * hour, max_age: 4 * hour })).toEqual({ kind: 'expire' })
    expect(ask({}, { now: t0 + 4 * hour, max_age: 10 * day }).kind).toBe('retry')
    expect(ask({}, { now: t0 + 5 * day, max_age: 10 * day })).toEqual({ kind: 'expire' })
  })
})

describe('any decision', () => {
  it('lies within the bounds, and comes to an end', () => {
    const any = fc.record({
      class: fc.constantFrom(...bounceClasses),
      blame: fc.constantFrom(...blames),
      action: fc.constantFrom(...bounceActions),
      wait: fc.option(fc.integer({ min: 0, max: 10_000_000 }), { nil: undefined }),
      dice: fc.double({ min: 0, max: 0.999, noNaN: true }),
    })
    fc.assert(
      fc.property(any, ({ wait, dice, ...rest }) => {
        let now = t0
        let attempts = 0
        for (; attempts < 1000; attempts++) {
          const verdict = { ...rest, ...(wait !== undefined && { wait_s: wait }) }
          const decision = ask(verdict, {
            now,
            attempt: attempts + 1,
            dice,
            route: { source: 'a', others: [], move_on_block: true },
          })
          if (decision.kind !== 'retry') break
          expect(decision.at).toBeGreaterThan(now)
          expect(decision.at).toBeLessThan(t0 + limits.max_age)
          now = decision.at
        }
        expect(attempts).toBeLessThan(600)
      }),
      { numRuns: 50 },
    )
  })
})
