import { describe, expect, it } from 'vitest'

import { blames, bounceActions, bounceClasses, type Verdict } from '@sluice/core/bounce/verdict'
import {
  actionId,
  isLive,
  joinActions,
  joinGuards,
  mayClose,
  undoAction,
  type CloseGuard,
} from '@sluice/core/lane/action'
import { openLane, stepLane, viewLane, type LaneState } from '@sluice/core/lane/lane'
import { mergeEffects, react, type Incident } from '@sluice/core/lane/react'
import { respond, succeed, type Board } from '@sluice/core/lane/respond'
import { phases } from '@sluice/core/outcome/record'
import { minute } from '@sluice/core/shaping/rate'
import { defaultReaction } from '@sluice/core/shaping/reaction'

const t0 = 1_800_000_000_000
const verdictOf = (rest: Partial<Verdict>): Verdict => ({
  class: 'rate_limited',
  blame: 'ip',
  hard: false,
  permanent: false,
  action: 'slow_down',
  rule: 'r1',
  ...rest,
})

const incident = (verdict: Partial<Verdict>, rest: Partial<Incident> = {}): Incident => ({
  verdict: verdictOf(verdict),
  phase: 'mail',
  at: t0,
  outcome: 'o1',
  source: 'ip-1',
  provider: 'google',
  source_ip: '198.51.100.7',
  stream: 'news',
  tenant: 'acme',
  dkim_domain: 'acme.example',
  from_domain: 'acme.example',
  recipient: 'a@b.example',
  ...rest,
})

const effectOf = (verdict: Partial<Verdict>, rest: Partial<Incident> = {}) =>
  react(incident(verdict, rest), {}, defaultReaction).effect

describe('a refusal', () => {
  it.each([
    ['a rate', { action: 'slow_down' }, 'rate_refused', 'lane'],
    ['connections', { action: 'fewer_connections' }, 'connection_refused', 'lane'],
    ['a block of the address', { class: 'ip_blocked', action: 'close_lane' }, 'blocked', 'lane'],
    ['a rate of the netblock', { blame: 'netblock' }, 'blocked', 'netblock'],
    ['a block of the netblock', { class: 'ip_blocked', blame: 'netblock', action: 'stop' }, 'blocked', 'netblock'],
    ['a rate of the signing domain', { blame: 'dkim' }, 'blocked', 'dkim'],
    [
      'a listed From domain',
      { class: 'domain_blocked', blame: 'from_domain', action: 'close_lane' },
      'blocked',
      'from_domain',
    ],
    ['too many connections', { blame: 'connection', action: 'fewer_connections' }, 'connection_refused', 'lane'],
    ['messages on this connection', { action: 'new_connection' }, 'reconnect', 'lane'],
  ] as const)('for %s acts at its scope', (_name, verdict, kind, scope) => {
    expect(effectOf(verdict)).toMatchObject({ kind, scope: { kind: scope, provider: 'google' }, evidence: ['o1'] })
  })

  it('carries the time the provider states', () => {
    expect(effectOf({ wait_s: 300 })?.wait_ms).toBe(5 * minute)
  })

  it.each([
    ['of the recipient', { blame: 'recipient', class: 'rate_limited', action: 'slow_down' }],
    ['of a full mailbox', { blame: 'recipient', class: 'mailbox_full', action: 'retry_later' }],
    ['by greylisting', { blame: 'receiver', class: 'greylisted', action: 'retry' }],
    ['of the receiver in trouble', { blame: 'receiver', class: 'receiver_fault', action: 'retry' }],
    ['with no cause and nothing to do', { blame: 'unknown', class: 'other', action: 'retry_later' }],
  ] as const)('%s slows nobody', (_name, verdict) => {
    expect(effectOf(verdict)).toBeUndefined()
  })

  it('without an answer moves the circuit breaker and nothing else', () => {
    const silent = { class: 'connection_failure', blame: 'connection', action: 'retry' } as const
    expect(effectOf(silent, { phase: 'connect' })?.kind).toBe('connect_failed')
    expect(effectOf({ ...silent, class: 'tls_failure' }, { phase: 'tls' })?.kind).toBe('connect_failed')
    expect(effectOf(silent, { phase: 'auth' })?.kind).toBe('connect_failed')
    expect(effectOf(silent, { phase: 'data' })).toBeUndefined()
  })

  it('of unknown blame closes only when it comes three times in ten minutes', () => {
    const verdict = { class: 'policy', blame: 'unknown', action: 'close_lane' } as const
    let hits = {}
    const kinds = [0, 1, 2].map((n) => {
      const found = react(incident(verdict, { at: t0 + n * minute, outcome: `o${n}` }), hits, defaultReaction)
      hits = found.hits
      return found.effect?.kind
    })
    expect(kinds).toEqual(['rate_refused', 'rate_refused', 'blocked'])
  })

  it('never lets identity, content or recipient blame reach a lane or a netblock, whatever the rules say', () => {
    const triggers = (['close', 'narrow', 'slow', 'hold'] as const).map((act) => ({
      id: act,
      on: { action: [...bounceActions] },
      times: 1,
      within: minute,
      do: act,
    }))
    for (const reaction of [defaultReaction, ...triggers.map((one) => ({ ...defaultReaction, triggers: [one] }))]) {
      for (const blame of ['dkim', 'spf', 'from_domain', 'url', 'content', 'stream', 'recipient'] as const) {
        for (const name of bounceClasses) {
          for (const action of bounceActions) {
            for (const phase of phases) {
              const { effect } = react(incident({ class: name, blame, action }, { phase }), {}, reaction)
              if (effect && effect.kind !== 'reconnect') expect(['lane', 'netblock']).not.toContain(effect.scope.kind)
            }
          }
        }
      }
    }
  })

  it('never lets the receiver or the connection be more than a matter of the circuit breaker, or of the window', () => {
    for (const blame of ['receiver', 'connection'] as const) {
      for (const name of bounceClasses) {
        for (const action of bounceActions) {
          for (const phase of phases) {
            const kind = effectOf({ class: name, blame, action }, { phase })?.kind ?? 'connect_failed'
            const tooMany = blame === 'connection' && action === 'fewer_connections'
            expect(['connect_failed', 'reconnect', ...(tooMany ? ['connection_refused'] : [])]).toContain(kind)
          }
        }
      }
    }
    expect(blames).toContain('receiver')
  })
})

describe("an operator's rule", () => {
  const reaction = {
    ...defaultReaction,
    triggers: [
      { id: 'ts02', on: { rule: 'yahoo-ts02' }, times: 3, within: 60 * minute, do: 'close' as const, for: 30 * minute },
    ],
  }

  it('acts at the N-th in T, with its evidence, and then counts anew', () => {
    let hits = {}
    const effects = [0, 10, 30, 40].map((minutes) => {
      const one = incident({ rule: 'yahoo-ts02' }, { at: t0 + minutes * minute, outcome: `o${minutes}` })
      const found = react(one, hits, reaction)
      hits = found.hits
      return found.effect
    })
    expect(effects.map((effect) => effect?.kind)).toEqual(['rate_refused', 'rate_refused', 'blocked', 'rate_refused'])
    expect(effects[2]).toMatchObject({ rule: 'ts02', wait_ms: 30 * minute, evidence: ['o0', 'o10', 'o30'] })
  })

  it('does not act where they are too far apart', () => {
    let hits = {}
    for (const minutes of [0, 50, 100, 150]) {
      const found = react(
        incident({ rule: 'yahoo-ts02' }, { at: t0 + minutes * minute, outcome: `o${minutes}` }),
        hits,
        reaction,
      )
      hits = found.hits
      expect(found.effect?.kind).toBe('rate_refused')
    }
  })
})

describe('the refusals of one attempt', () => {
  it('are one effect for one reason, with the longest wait and all evidence', () => {
    const effects = ['o1', 'o2'].map((outcome, n) => effectOf({ wait_s: 60 * (n + 1) }, { outcome }))
    expect(mergeEffects(effects.filter((one) => one !== undefined))).toMatchObject([
      { kind: 'rate_refused', wait_ms: 2 * minute, evidence: ['o1', 'o2'] },
    ])
  })
})

describe('responding', () => {
  const limits = { connection_limit: 20, message_rate: [], reaction: { ...defaultReaction, lanes_per_rule: 3 } }
  const empty: Board = { stateOf: () => undefined, actionOf: () => undefined, guard: {} }
  const refusals = (...incidents: Incident[]) => ({
    incidents,
    started: t0 - 1000,
    at: t0,
    load: { open: 10, minute: 300, busy: true },
    dice: 0,
    limits,
  })

  it('gives the new states and the records of what was done', () => {
    const changes = respond(empty, refusals(incident({ class: 'ip_blocked', action: 'close_lane' })))
    const lane = changes.states.get('lane|ip-1|google') ?? openLane
    expect(viewLane(lane, limits, t0)).toMatchObject({ phase: 'closed', action: 'r1/o1' })
    expect(changes.actions).toEqual([
      {
        id: 'r1/o1',
        kind: 'close',
        rule: 'r1',
        scope: { kind: 'lane', name: 'ip-1', provider: 'google' },
        reason: 'ip_blocked, blame ip (r1)',
        evidence: ['o1'],
        count: 1,
        since: t0,
        until: t0 + 10 * minute,
      },
    ])
  })

  it('holds a signing domain on every source, and leaves the lane as it was', () => {
    const changes = respond(empty, refusals(incident({ blame: 'dkim' })))
    expect([...changes.states.keys()]).toEqual(['dkim|acme.example|google'])
    expect(changes.actions[0]?.kind).toBe('hold')
  })

  it('confirms an action that is in force instead of making a second one', () => {
    const first = respond(empty, refusals(incident({})))
    const board: Board = {
      stateOf: (key) => first.states.get(key),
      actionOf: (_key, kind) => first.actions.find((one) => one.kind === kind),
      guard: first.guard,
    }
    const second = respond(board, refusals(incident({}, { outcome: 'o2' })))
    expect(second.actions).toMatchObject([{ id: 'r1/o1', count: 2, evidence: ['o1', 'o2'] }])
  })

  it('withholds what one rule would close beyond its number in an hour', () => {
    let guard = {}
    const kinds = ['a', 'b', 'c', 'd', 'a'].map((source) => {
      const one = incident({ class: 'ip_blocked', action: 'close_lane' }, { source, outcome: source })
      const changes = respond({ ...empty, guard }, refusals(one))
      guard = changes.guard
      expect(changes.states.has(`lane|${source}|google`)).toBe(source !== 'd')
      return changes.actions[0]?.kind
    })
    expect(kinds).toEqual(['close', 'close', 'close', 'withheld', 'close'])
  })

  it('closes the connection alone where the receiver wants a new one', () => {
    const changes = respond(empty, refusals(incident({ action: 'new_connection' })))
    expect(changes).toMatchObject({ reconnect: true, actions: [] })
    expect(changes.states.size).toBe(0)
  })
})

describe('an accepted message', () => {
  const limits = { connection_limit: 20, message_rate: [], reaction: defaultReaction }
  const delivery = (started: number) => ({
    sender: incident({}),
    started,
    at: started + 1000,
    load: { open: 1, minute: 1, busy: true },
    limits,
  })

  it('lets every scope come back that was to blame, and touches no other', () => {
    const close = (action: string) => stepLane(openLane, { kind: 'blocked', at: t0, started: t0, action }, limits)
    const states = new Map([
      ['lane|ip-1|google', openLane],
      ['dkim|acme.example|google', close('a')],
      ['netblock|198.51.100.0/24|google', close('b')],
      ['stream|other|google', close('c')],
    ])
    const changed = succeed((key) => states.get(key), delivery(t0 + 11 * minute))
    expect([...changed.keys()]).toEqual(['netblock|198.51.100.0/24|google', 'dkim|acme.example|google'])
    for (const state of changed.values()) {
      expect(viewLane(state, limits, t0 + 12 * minute)).toMatchObject({ phase: 'half_open', connections: 2 })
    }
  })

  it('changes nothing where nothing is known or all is open', () => {
    expect(succeed(() => undefined, delivery(t0)).size).toBe(0)
    expect(succeed(() => openLane, delivery(t0)).size).toBe(0)
  })
})

describe('an action', () => {
  const [action] = respond(
    { stateOf: () => undefined, actionOf: () => undefined, guard: {} },
    {
      incidents: [incident({ class: 'ip_blocked', action: 'close_lane' })],
      started: t0,
      at: t0,
      load: { open: 1, minute: 1, busy: true },
      dice: 0,
      limits: { connection_limit: 5, message_rate: [], reaction: defaultReaction },
    },
  ).actions

  it('is undone by id: its scope opens, and the record says who did it', () => {
    if (!action) throw new Error('no action was recorded')
    const limits = { connection_limit: 5, message_rate: [], reaction: defaultReaction }
    const closed: LaneState = stepLane(openLane, { kind: 'blocked', at: t0, started: t0, action: action.id }, limits)
    const undone = undoAction(action, { at: t0 + minute, by: 'ops', reason: 'mistaken' })
    expect(viewLane(stepLane(closed, undone.event, limits), limits, t0 + minute).phase).toBe('open')
    expect(isLive(undone.action, t0 + minute)).toBe(false)
    expect(undone.action.undone).toMatchObject({ by: 'ops' })
    // An undo that is joined with the record as others know it stays undone.
    expect(joinActions(action, undone.action)).toEqual(joinActions(undone.action, action))
    expect(isLive(joinActions(action, undone.action), t0 + minute)).toBe(false)
  })

  it('has an id that all workers give it', () => {
    const effect = effectOf({ class: 'ip_blocked', action: 'close_lane' })
    expect(effect && actionId(effect)).toBe('r1/o1')
  })

  it('is counted against its rule for an hour', () => {
    let guard = {}
    const close = (name: string, at: number) => {
      const answer = mayClose(guard, { rule: 'r', scope: { kind: 'lane', name, provider: 'p' } }, at, 2)
      guard = answer.guard
      return answer.allowed
    }
    expect([close('a', t0), close('b', t0 + minute), close('c', t0 + 2 * minute)]).toEqual([true, true, false])
    expect(close('c', t0 + 61 * minute)).toBe(true)
  })

  it('is counted once whichever worker closed the scope, and for all of them', () => {
    const closedBy = (name: string): CloseGuard =>
      mayClose({}, { rule: 'r', scope: { kind: 'lane', name, provider: 'p' } }, t0, 2).guard
    const [one, two] = [closedBy('a'), closedBy('b')]
    expect(joinGuards(one, two)).toEqual(joinGuards(two, one))
    expect(joinGuards(one, one)).toEqual(one)
    const third = { rule: 'r', scope: { kind: 'lane', name: 'c', provider: 'p' } } as const
    expect(mayClose(one, third, t0 + minute, 2).allowed).toBe(true)
    expect(mayClose(joinGuards(one, two), third, t0 + minute, 2).allowed).toBe(false)
  })
})
