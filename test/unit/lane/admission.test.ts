import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { admit, emptyAdmission, release, renew, rulesOf, type AdmissionRules } from '@sluice/core/lane/admission'
import { openLane, viewLane } from '@sluice/core/lane/lane'
import { builtIn, type CompleteLimits } from '@sluice/core/shaping/limits'
import { paceOf } from '@sluice/core/shaping/pace'
import { second } from '@sluice/core/shaping/rate'

const t0 = 1_800_000_000_000
const ttl = 10 * second

const limits: CompleteLimits = {
  ...builtIn,
  connection_limit: 3,
  message_rate: [{ limit: 50, window_ms: second }],
  connection_rate: [{ limit: 20, window_ms: second }],
  total: { connection_limit: 5, connection_rate: [], message_rate: [] },
}
const rulesNow = (now: number, workers = 1): AdmissionRules => rulesOf(limits, viewLane(openLane, limits, now), workers)
const caps = (lane_cap: number, rest: Partial<AdmissionRules> = {}): AdmissionRules => ({
  lane_cap,
  total_cap: undefined,
  paces: [],
  ...rest,
})
const order = (now: number, ids: readonly string[], messages = 0) => ({ now, ttl, ids, messages })

describe('admission', () => {
  it('grants as many leases as the limit allows, and says when the next one expires', () => {
    const answer = admit(emptyAdmission, caps(3), order(t0, ['a', 'b', 'c', 'd']))
    expect(answer).toMatchObject({ granted: 3, open: 3, wait_ms: ttl })
    const later = admit(answer.state, caps(3), order(t0 + ttl, ['d']))
    expect(later).toMatchObject({ granted: 1, open: 1, wait_ms: 0 })
  })

  it('counts what is asked twice once, and releases what is released twice once', () => {
    const first = admit(emptyAdmission, caps(2), order(t0, ['a', 'b'])).state
    const again = admit(first, caps(2), order(t0 + 1, ['a', 'b']))
    expect(again).toMatchObject({ granted: 2, open: 2 })
    const released = release(again.state, 'a')
    expect(release(released, 'a')).toBe(released)
    expect(admit(released, caps(2), order(t0 + 2, ['c', 'd']))).toMatchObject({ granted: 1, open: 2 })
  })

  it('counts a connection that is open although its lease had been forgotten', () => {
    const state = renew(emptyAdmission, ['x', 'y'], t0, ttl)
    expect(admit(state, caps(2), order(t0, ['a'])).granted).toBe(0)
  })

  it('keeps a cap over all lanes of the provider', () => {
    const rules = caps(3, { total_cap: 2 })
    expect(admit(emptyAdmission, rules, order(t0, ['a', 'b', 'c'])).granted).toBe(2)
  })

  it('takes all or nothing: a refused rate takes no lease, a full lane takes no token', () => {
    const pace = { ...paceOf({ limit: 1, window_ms: second }), name: 'm', unit: 'message' as const, fresh_ms: 40 }
    const first = admit(emptyAdmission, caps(2, { paces: [pace] }), order(t0, ['a', 'b']))
    expect(first).toMatchObject({ granted: 1, open: 1, wait_ms: second })
    const full = admit(first.state, caps(1, { paces: [pace] }), order(t0 + second, ['b']))
    expect(full.granted).toBe(0)
    expect(full.state.dues).toEqual(first.state.dues)
  })

  it('lets messages go on connections that are held, at the message rate alone', () => {
    const state = admit(emptyAdmission, rulesNow(t0), order(t0, ['a'])).state
    const answer = admit(state, rulesNow(t0), order(t0 + second, [], 10))
    // A burst of three, then one every 22 ms.
    expect(answer).toMatchObject({ granted: 0, messages: 3 })
    expect(answer.wait_ms).toBe(22)
  })

  it('lets nothing go in a closed lane', () => {
    const answer = admit(emptyAdmission, caps(0), order(t0, ['a'], 5))
    expect(answer).toMatchObject({ granted: 0, messages: 0, wait_ms: Infinity })
  })

  it("takes the day's warm-up allowance with it, and begins anew the next day", () => {
    const rules = (day: number) => caps(9, { warmup: { day, limit: 2 } })
    const today = admit(emptyAdmission, rules(1), order(t0, ['a', 'b', 'c']))
    expect(today).toMatchObject({ granted: 2, wait_ms: Infinity })
    expect(admit(today.state, rules(1), order(t0, [], 1)).messages).toBe(0)
    expect(admit(today.state, rules(2), order(t0, ['c'])).granted).toBe(1)
  })

  it('divides everything by the workers where each goes alone, and leaves each one connection', () => {
    const alone = rulesNow(t0, 8)
    expect(alone).toMatchObject({ lane_cap: 1, total_cap: 1 })
    const [together] = rulesNow(t0).paces
    expect(alone.paces[0]?.interval).toBeCloseTo(8 * (together?.interval ?? 0))
  })

  it('shares a rate that has less than one for each, as one in a window so much longer', () => {
    const slow = { ...limits, message_rate: [{ limit: 2, window_ms: second }] }
    const alone = rulesOf(slow, viewLane(openLane, slow, t0), 8).paces[0]
    expect(alone).toMatchObject({ tolerance: 0 })
    expect(alone?.interval).toBeGreaterThanOrEqual(4 * second)
  })

  it('gives a message of the allowance back that was never sent, once, and never below zero', () => {
    const rules = caps(9, { warmup: { day: 7, limit: 5 } })
    const { state } = admit(emptyAdmission, rules, order(t0, ['a']))
    const released = release(state, 'a', 7)
    expect(released.warmup).toEqual({ day: 7, used: 0 })
    expect(release(released, 'a', 7)).toBe(released)
    expect(release(state, 'a', 6).warmup.used).toBe(1)
  })

  it('never passes a limit, whatever happens in whatever order', () => {
    const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
    const command = fc.oneof(
      fc.record({ ids: fc.array(ids, { maxLength: 4 }), messages: fc.nat(5) }),
      fc.record({ release: ids }),
      fc.record({ renew: ids }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3000), command), { maxLength: 60 }), (commands) => {
        let state = emptyAdmission
        let now = t0
        const sent: number[] = []
        for (const [gap, one] of commands) {
          now += gap
          if ('release' in one) state = release(state, one.release)
          else if ('renew' in one) {
            // A worker renews only what it holds.
            if ((state.lane[one.renew] ?? 0) > now) state = renew(state, [one.renew], now, ttl)
          } else {
            const before = Object.entries(state.lane).filter(([, expiry]) => expiry > now).length
            const answer = admit(state, rulesNow(now), order(now, one.ids, one.messages))
            state = answer.state
            expect(answer.open).toBeLessThanOrEqual(3)
            const fresh = answer.open - before
            for (let n = 0; n < answer.messages + fresh; n++) sent.push(now)
          }
        }
        for (const from of sent) {
          expect(sent.filter((at) => at >= from && at < from + second).length).toBeLessThanOrEqual(50)
        }
      }),
      { numRuns: 200 },
    )
  })
})
