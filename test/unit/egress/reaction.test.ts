// Reactions of one worker while Redis is away, so that nothing but its own knowledge counts: who is held and who is
// not, how what was closed comes back, and what never closes anything.

import { compileRules } from '@sluice/core/bounce/classify'
import type { Verdict } from '@sluice/core/bounce/verdict'
import { readEgress } from '@sluice/core/config/egress'
import { readShaping } from '@sluice/core/config/shaping'
import { readSluice } from '@sluice/core/config/sluice'
import { SluiceError } from '@sluice/core/errors'
import { redisKeys } from '@sluice/core/redis/keys'
import type {
  Attempt,
  Configuration,
  Evidence,
  HMail,
  Host,
  RecipientResult,
  Settlement,
} from 'haraka-plugin-sluice-host'
import { expect, test } from 'vitest'

import type { Candidate } from '../../../plugins/egress/candidate'
import { Policy } from '../../../plugins/egress/policy'
import { Reaction, type WaitingMail } from '../../../plugins/egress/reaction/reaction'
import type { RedisLink } from '../../../plugins/egress/redis/link'

const begin = Date.UTC(2026, 0, 5, 12, 0)
const minute = 60_000

const configurationWith = (shaping: string): Configuration => ({
  sluice: readSluice('sluice.yaml', ''),
  shaping: readShaping('shaping.yaml', shaping),
  bounceRules: compileRules([]),
  egress: readEgress(
    'egress.yaml',
    `
sources:
  a: { ip: 192.0.2.1, ehlo: a.test }
  b: { ip: 192.0.2.2, ehlo: b.test }
  c: { ip: 198.51.100.1, ehlo: c.test }
  smart: { relay: { host: 203.0.113.1 } }
pools:
  main: { a: 1, b: 1, c: 1 }
  relays: { smart: 1 }
streams:
  bulk: { pool: main }
  relayed: { pool: relays }
default_stream: bulk
`,
  ),
})

const setUp = (shaping = '') => {
  const configuration = configurationWith(shaping)
  const policy = Policy.of(configuration)
  const clock = { now: begin }
  const told: { kind: string; source?: string; provider?: string | undefined }[] = []
  const tell: {
    tried?: ((attempt: Attempt, evidence: Evidence) => void) | undefined
    settled?: ((settlement: Settlement) => void) | undefined
  } = {}
  const host = {
    configuration: { current: configuration },
    onTried: (listener: typeof tell.tried) => (tell.tried = listener),
    onSettled: (listener: typeof tell.settled) => (tell.settled = listener),
    verdictOf: (_attempt: Attempt, evidence: Evidence) => verdicts.get(evidence),
  }
  const link = {
    present: false,
    onReturn: () => undefined,
    subscribe: () => undefined,
    run: () => Promise.reject(new SluiceError('SLUICE_REDIS_AWAY', 'away')),
  }
  const waiting: WaitingMail = {
    sourceClosed: (source, provider) => void told.push({ kind: 'closed', source, provider }),
    reconsider: () => void told.push({ kind: 'reconsider' }),
    tryRooms: () => void told.push({ kind: 'opened' }),
  }
  const verdicts = new Map<Evidence, Verdict>()
  const reaction = new Reaction({
    link: link as unknown as RedisLink,
    log: { notice: () => undefined, error: () => undefined },
    keys: redisKeys(),
    worker: 'w',
    host: host as unknown as Host,
    policy: () => policy,
    loadOf: () => ({ open: 3, minute: 10, busy: true }),
    waiting: () => waiting,
    now: () => clock.now,
    dice: () => 0,
  })
  reaction.usePolicy(policy)

  let attempts = 0
  const attemptOf = (hmail: HMail, source: string, provider: string): Attempt => ({
    id: `attempt-${++attempts}`,
    hmail,
    started: clock.now,
    number: 1,
    route: { source, provider, lane: `${source}|${provider}` } as Attempt['route'] & object,
  })
  const evidenceOf = (verdict: Partial<Verdict>, over: Partial<Evidence>, source: string): Evidence => {
    const { ip } = { ip: '', ...configuration.egress?.sources[source] }
    const evidence = { phase: 'mail', code: 421, local_ip: String(ip), ...over } as Evidence
    verdicts.set(evidence, {
      class: 'rate_limited',
      blame: 'ip',
      hard: false,
      permanent: false,
      action: 'retry',
      rule: 'test/rule',
      ...verdict,
    })
    return evidence
  }
  const settle = async (
    attempt: Attempt,
    results: readonly Partial<RecipientResult>[],
    tries: readonly Evidence[] = [],
  ) => {
    clock.now += 10
    const recipients = results.map((one) => ({ address: 'x@one.test', kind: 'deferred', ...one }) as RecipientResult)
    tell.settled?.({ attempt, at: clock.now, recipients, tries })
    await new Promise(setImmediate)
  }
  /** One attempt that is refused. */
  const refuse = (
    hmail: HMail,
    verdict: Partial<Verdict>,
    over: Partial<Evidence> = {},
    source = 'a',
    provider = 'one',
  ) => settle(attemptOf(hmail, source, provider), [{ evidence: evidenceOf(verdict, over, source) }])
  const deliver = (hmail: HMail, source = 'a', provider = 'one') =>
    settle(attemptOf(hmail, source, provider), [{ kind: 'delivered', evidence: evidenceOf({}, { code: 250 }, source) }])
  const ruling = (source: string, provider = 'one') =>
    reaction.rulings.rulingOf({ source, provider, key: `${source}|${provider}` }, clock.now).view
  const closed = (candidate: Candidate) => reaction.closure.closed(candidate, clock.now)
  return { reaction, clock, told, tell, attemptOf, evidenceOf, settle, refuse, deliver, ruling, closed }
}

const mail = (from = 'shop.test', tag: object = {}): HMail =>
  ({
    todo: {
      domain: 'one.test',
      mail_from: { host: 'bounce.test', address: 'me@bounce.test' },
      notes: { sluice: { message_id: 'm', stream: 'bulk', tenant: 'acme', from_domain: from, ...tag } },
    },
  }) as unknown as HMail

const candidate = (hmail: HMail, provider = 'one', stream = 'bulk') =>
  ({ hmail, stream, destination: { provider } }) as unknown as Candidate

test('a netblock is closed with all its sources, and with nobody else', async () => {
  const { refuse, closed, ruling, clock, told, reaction } = setUp()
  await refuse(mail(), { class: 'ip_blocked', blame: 'netblock', action: 'close_lane', wait_s: 600 })
  expect(closed(candidate(mail()))).toEqual(new Set(['a', 'b']))
  expect(closed(candidate(mail(), 'two'))).toEqual(new Set())
  expect(['a', 'b', 'c'].map((source) => ruling(source).connections)).toEqual([0, 0, 10])
  expect(told.filter(({ kind }) => kind === 'closed').map(({ source }) => source)).toEqual(['a', 'b'])
  expect(reaction.closure.opensAt(candidate(mail()), clock.now)).toBe(begin + 10 + 10 * minute)
  clock.now += 10 * minute
  expect(closed(candidate(mail()))).toEqual(new Set())
  expect(['a', 'b', 'c'].map((source) => ruling(source).connections)).toEqual([1, 1, 10])
})

test('a From domain is held whatever the source; other mail goes on, and it comes back one message at a time', async () => {
  const { refuse, deliver, closed, clock, reaction, told, ruling } = setUp()
  await refuse(mail('bad.test'), { blame: 'from_domain', action: 'slow_down' })
  expect(closed(candidate(mail('bad.test')))).toBe('all')
  expect(closed(candidate(mail('good.test')))).toEqual(new Set())
  expect(closed(candidate(mail('bad.test'), 'two'))).toEqual(new Set())
  expect(ruling('a').connections).toBe(10)
  expect(reaction.closure.heldBy(candidate(mail('bad.test')), clock.now)).toBe('from_domain|bad.test|one')
  expect(told).toEqual([{ kind: 'reconsider' }])

  clock.now = reaction.closure.opensAt(candidate(mail('bad.test')), clock.now)
  const [first, second] = [mail('bad.test'), mail('bad.test')]
  expect(closed(candidate(first))).toEqual(new Set())
  reaction.closure.chosen('a', candidate(first), clock.now)
  expect(closed(candidate(second))).toBe('all')
  expect(reaction.closure.stands('a', candidate(first), clock.now)).toBe(true)
  await deliver(first)
  expect(told.at(-1)).toEqual({ kind: 'opened' })
  reaction.closure.chosen('a', candidate(second), clock.now)
  expect(closed(candidate(mail('bad.test')))).toEqual(new Set())
})

test("an operator's rule holds the tenant at the second hit", async () => {
  const { refuse, closed } = setUp(`
providers:
  one:
    reaction:
      triggers:
        - { id: mining, on: { rule: test/mining }, times: 2, within: 1h, do: hold, scope: tenant, for: 4h }
`)
  const refusal = { class: 'policy', blame: 'stream', rule: 'test/mining' } as const
  await refuse(mail(), refusal, { code: 550 })
  expect(closed(candidate(mail()))).toEqual(new Set())
  await refuse(mail(), refusal, { code: 550 })
  expect(closed(candidate(mail()))).toBe('all')
  expect(closed(candidate(mail('shop.test', { tenant: 'other' })))).toEqual(new Set())
})

test('recipients, content, receivers and connections that fail once close and slow nothing', async () => {
  const { refuse, closed, ruling } = setUp()
  for (let n = 0; n < 9; n++) {
    await refuse(mail(), { class: 'mailbox_full', blame: 'recipient', action: 'retry_later' }, { phase: 'rcpt' })
    await refuse(mail(), { class: 'spam_content', blame: 'content', action: 'none' }, { phase: 'dot', code: 550 })
    await refuse(mail(), { class: 'receiver_fault', blame: 'receiver', action: 'retry_later' }, { phase: 'dot' })
  }
  await refuse(mail(), { class: 'connection_failure', blame: 'connection' }, { phase: 'connect', code: 0 })
  expect(closed(candidate(mail()))).toEqual(new Set())
  expect(ruling('a')).toMatchObject({ phase: 'open', connections: 10 })
})

test('the circuit breaker opens where nobody could be reached five times, not where the second host took the mail', async () => {
  const { settle, attemptOf, evidenceOf, refuse, ruling } = setUp()
  const silent = () =>
    evidenceOf({ class: 'connection_failure', blame: 'connection' }, { phase: 'connect', code: 0 }, 'a')
  for (let n = 0; n < 8; n++) {
    const taken = { kind: 'delivered' as const, evidence: evidenceOf({}, { code: 250 }, 'a') }
    await settle(attemptOf(mail(), 'a', 'one'), [taken], [silent()])
  }
  expect(ruling('a').connections).toBe(10)
  for (let n = 0; n < 5; n++) {
    await refuse(mail(), { class: 'connection_failure', blame: 'connection' }, { phase: 'connect', code: 0 })
  }
  expect(ruling('a').connections).toBe(0)
})

test('a try is judged when it has failed, and not again when the attempt settles', async () => {
  const { tell, settle, attemptOf, evidenceOf, closed } = setUp(`
defaults:
  reaction: { triggers: [{ id: twice, on: { blame: ip }, times: 2, within: 1h, do: close }] }
`)
  const refusal = { class: 'policy', blame: 'ip', action: 'none' } as const
  const attempt = attemptOf(mail(), 'a', 'one')
  const evidence = evidenceOf(refusal, { phase: 'banner' }, 'a')
  tell.tried?.(attempt, evidence)
  await settle(attempt, [{ kind: 'delivered', evidence: evidenceOf({}, { code: 250 }, 'a') }], [evidence])
  expect(closed(candidate(mail()))).toEqual(new Set())
  tell.tried?.(attemptOf(mail(), 'a', 'one'), evidenceOf(refusal, { phase: 'banner' }, 'a'))
  await new Promise(setImmediate)
  expect(closed(candidate(mail()))).toEqual(new Set(['a']))
})

test('a relay is a lane: narrowed where it has too many connections, left to its own breaker where it does not answer', async () => {
  const { refuse, ruling, closed } = setUp()
  for (let n = 0; n < 9; n++) {
    const none = { class: 'connection_failure', blame: 'connection' } as const
    await refuse(mail(), none, { phase: 'connect', code: 0 }, 'smart')
  }
  expect(ruling('smart', '*').connections).toBe(10)
  const full = { blame: 'connection', action: 'fewer_connections' } as const
  await refuse(mail(), full, { phase: 'banner' }, 'smart')
  expect(ruling('smart', '*').connections).toBe(2)
  await refuse(mail(), { class: 'ip_blocked', action: 'close_lane' }, {}, 'smart', 'two')
  expect(closed(candidate(mail(), 'one', 'relayed'))).toEqual(new Set(['smart']))
})

test('quiet hours hold the lane until they end, and the choice leaves it out', () => {
  const { ruling, closed, reaction, clock } = setUp(`
providers:
  one: { quiet_hours: [{ from: '11:30', until: '13:00' }] }
`)
  const end = Date.UTC(2026, 0, 5, 13, 0)
  expect(ruling('a')).toMatchObject({ connections: 0, until: end })
  expect(closed(candidate(mail()))).toEqual(new Set(['a', 'b', 'c']))
  expect(reaction.closure.opensAt(candidate(mail()), clock.now)).toBe(end)
  expect(ruling('a', 'two').connections).toBe(10)
  clock.now = end
  expect(ruling('a').connections).toBe(10)
  expect(closed(candidate(mail()))).toEqual(new Set())
})

test('one rule closes no more than it may, alone too', async () => {
  const { refuse, closed } = setUp('defaults: { reaction: { lanes_per_rule: 2 } }')
  for (const source of ['a', 'b', 'c']) await refuse(mail(), { class: 'ip_blocked', action: 'close_lane' }, {}, source)
  expect(closed(candidate(mail()))).toEqual(new Set(['a', 'b']))
})
