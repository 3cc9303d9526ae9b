// What a mail remembers between two attempts, and for how long; and when those that wait parked are too old.

import { compileRules } from '@sluice/core/bounce/classify'
import type { Verdict } from '@sluice/core/bounce/verdict'
import { readEgress } from '@sluice/core/config/egress'
import { readShaping } from '@sluice/core/config/shaping'
import { readSluice } from '@sluice/core/config/sluice'
import { day, hour, minute } from '@sluice/core/shaping/rate'
import type { Attempt, HMail, Refusal } from 'haraka-plugin-sluice-host'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Candidate, type CandidateOwner } from '../../../plugins/egress/candidate'
import { Policy } from '../../../plugins/egress/policy'
import { Ages } from '../../../plugins/egress/retry/ages'
import { Bonds } from '../../../plugins/egress/retry/bonds'
import { Retry } from '../../../plugins/egress/retry/retry'
import { timeIsOver } from '../../../plugins/egress/retry/time-is-over'

const t0 = 1_800_000_000_000

const policy = Policy.of({
  sluice: readSluice('sluice.yaml', ''),
  bounceRules: compileRules([]),
  shaping: readShaping(
    'shaping.yaml',
    'defaults: { retry: { jitter: 0 } }\nstreams: { bulk: { move_on_block: true, max_age: 1d } }\n',
  ),
  egress: readEgress(
    'egress.yaml',
    `
sources: { a: { ip: 192.0.2.1, ehlo: a.test }, b: { ip: 192.0.2.2, ehlo: b.test }, c: { ip: 198.51.100.3, ehlo: c.test } }
pools: { main: { a: 1, b: 1, c: 1 } }
streams: { bulk: { pool: main } }
default_stream: bulk
`,
  ),
})

const mail = (queue_time = t0): HMail =>
  ({
    filename: 'file',
    num_failures: 0,
    todo: { domain: 'one.test', queue_time, mail_from: { host: 'me.test' }, rcpt_to: [], notes: {} },
  }) as unknown as HMail

const nobody: CandidateOwner = { granted: () => undefined, parked: () => undefined }
const candidate = (hmail: HMail): Candidate => {
  const one = new Candidate(nobody, hmail, undefined)
  one.stream = 'bulk'
  one.destination = { provider: 'one.test', site: 'one.test', hosts: [], families: 3, expires: Infinity }
  return one
}

const soft: Verdict = { class: 'other', blame: 'unknown', hard: false, permanent: false, action: 'retry', rule: 'r' }
const greylisted: Verdict = { ...soft, class: 'greylisted' }
const block: Verdict = { ...soft, class: 'ip_blocked', blame: 'ip', permanent: true, action: 'close_lane' }

const kindOf = ({ permanent }: Verdict): Refusal['kind'] => (permanent ? 'bounced' : 'deferred')

const setUp = (open: readonly string[] = ['a', 'b', 'c']) => {
  let now = t0
  let verdict = soft
  const bonds = new Bonds()
  const retry = new Retry({
    verdictOf: () => verdict,
    bonds,
    policy: () => policy,
    otherWay: (_, except) => open.find((source) => !except.has(source)),
    now: () => now,
    dice: () => 0,
  })
  return {
    bonds,
    at: (time: number) => (now = time),
    closedTo: (hmail: HMail, time: number) => [...bonds.closed(candidate(hmail), time)].sort().join(),
    refuse: (hmail: HMail, source: string, meaning: Verdict, over: Partial<Attempt> = {}, kind = kindOf(meaning)) => {
      verdict = meaning
      const attempt = { hmail, number: 1, route: { source, provider: 'one.test', site: 'one.test' }, ...over }
      return retry.plan({ hmail, attempt, kind, recipients: [{ address: 'x', evidence: {} }] } as unknown as Refusal)
    },
  }
}

describe('a mail', () => {
  test('keeps to the source that was greylisted, and waits for it no longer than it was told to wait', () => {
    const { refuse, closedTo, bonds } = setUp()
    const hmail = mail()
    expect(refuse(hmail, 'b', { ...greylisted, wait_s: 600 })).toEqual({ kind: 'retry', at: t0 + 10 * minute })
    expect(closedTo(hmail, t0 + 10 * minute)).toBe('a,c')
    expect(bonds.wordOf(hmail)).toBe('only b')
    expect(bonds.opensAt(candidate(hmail), t0 + 10 * minute)).toBe(t0 + 20 * minute)
    expect(closedTo(hmail, t0 + 20 * minute)).toBe('')
    expect(bonds.opensAt(candidate(hmail), t0 + 20 * minute)).toBe(Infinity)
  })

  test('goes by every source once when all of them are blocked, then bounces', () => {
    const { refuse, closedTo } = setUp()
    const hmail = mail()
    expect(refuse(hmail, 'a', block)).toEqual({ kind: 'now' })
    expect(refuse(hmail, 'b', block)).toEqual({ kind: 'now' })
    expect(closedTo(hmail, t0)).toBe('a,b')
    expect(refuse(hmail, 'c', block)).toBeUndefined()
  })

  test('does not go to a neighbour in the netblock that is blocked', () => {
    const { refuse, closedTo } = setUp()
    const hmail = mail()
    expect(refuse(hmail, 'a', { ...block, blame: 'netblock' })).toEqual({ kind: 'now' })
    expect(closedTo(hmail, t0)).toBe('a,b')
  })

  test('that is deferred for another reason may go by any source again', () => {
    const { refuse, closedTo, bonds } = setUp()
    const hmail = mail()
    refuse(hmail, 'a', block)
    expect(refuse(hmail, 'b', soft)).toEqual({ kind: 'retry', at: t0 + 5 * minute })
    expect(closedTo(hmail, t0)).toBe('')
    expect(bonds.wordOf(hmail)).toBe('')
  })

  test('refused at the door with a 5xx is deferred by its schedule where no other source is open', () => {
    const { refuse } = setUp([])
    expect(refuse(mail(), 'a', block, {}, 'deferred')).toEqual({ kind: 'retry', at: t0 + 5 * minute })
    expect(refuse(mail(), 'a', block)).toBeUndefined()
  })

  test('split off knows what its whole was refused by', () => {
    const { refuse, closedTo } = setUp()
    const whole = mail()
    refuse(whole, 'a', block)
    const part = mail()
    expect(refuse(part, 'b', block, { hmail: whole })).toEqual({ kind: 'now' })
    expect(closedTo(part, t0)).toBe('a,b')
  })

  test('expires at the age of its stream, and where it waited too long', () => {
    const { refuse, at } = setUp()
    expect(refuse(mail(), 'a', soft, { noRoute: timeIsOver })).toMatchObject({ kind: 'expire' })
    at(t0 + day)
    expect(refuse(mail(), 'a', soft)).toEqual({ kind: 'expire', says: 'not delivered within 1d' })
    at(t0 + 23.9 * hour)
    expect(refuse(mail(), 'a', { ...soft, wait_s: 3600 })).toEqual({ kind: 'retry', at: t0 + day - 1 })
  })
})

describe('parked mail', () => {
  beforeEach(() => vi.useFakeTimers({ now: t0 }))
  afterEach(() => vi.useRealTimers())

  test('ends when it is too old, the others are looked at again when the next one is, at most once a minute', () => {
    const parked = new Set<Candidate>()
    const woken: HMail[] = []
    let looks = 0
    const ages = new Ages({
      policy: () => policy,
      takeParked: (isOver) => {
        looks++
        const taken = [...parked].filter(isOver)
        for (const one of taken) parked.delete(one)
        return taken
      },
      wake: (hmail) => woken.push(hmail),
      now: Date.now,
    })
    const [old, soon, later] = [-23.5 * hour, -23.5 * hour + 1000, 0].map((age) => candidate(mail(t0 + age)))
    for (const one of [later, soon, old]) {
      if (!one) continue
      parked.add(one)
      ages.waits(one)
    }
    vi.advanceTimersByTime(hour / 2 - 1)
    expect(looks).toBe(0)
    vi.advanceTimersByTime(1)
    expect(woken).toEqual([old?.hmail])
    expect(ages.whyNot(woken[0] as HMail)).toBe(timeIsOver)
    vi.advanceTimersByTime(minute - 1)
    expect(looks).toBe(1)
    vi.advanceTimersByTime(1)
    expect(woken).toEqual([old?.hmail, soon?.hmail])
    vi.advanceTimersByTime(20 * hour)
    expect(looks).toBe(2)
    expect([...parked]).toEqual([later])
    vi.advanceTimersByTime(4 * hour)
    expect([...parked]).toEqual([])
    ages.stop()
  })
})
