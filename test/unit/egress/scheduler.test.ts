// The scheduler on a host that is made up, where faults can be made up too: an unexpected fault never sends, never
// loses and never answers a hook twice; what was granted and is not used is given back.

import { Chooser } from '@sluice/core/admission/choice'
import { compileRules } from '@sluice/core/bounce/classify'
import { readEgress } from '@sluice/core/config/egress'
import { readShaping } from '@sluice/core/config/shaping'
import { readSluice } from '@sluice/core/config/sluice'
import type { Attempt, Configuration, Host, HMail, Lease, MxAnswer } from 'haraka-plugin-sluice-host'
import { expect, test, vi } from 'vitest'

import type { Candidate } from '../../../plugins/egress/candidate'
import { Policy } from '../../../plugins/egress/policy'
import { Breakers } from '../../../plugins/egress/relay/breakers'
import { Scheduler, type SchedulerParts } from '../../../plugins/egress/scheduler'

const configuration: Configuration = {
  sluice: readSluice('sluice.yaml', ''),
  shaping: readShaping('shaping.yaml', ''),
  bounceRules: compileRules([]),
  egress: readEgress(
    'egress.yaml',
    `
sources:
  a: { ip: 192.0.2.1, ehlo: a.test }
  b: { ip: '2001:db8::1', ehlo: b.test }
pools:
  main: { a: 1, b: 1 }
  four: { a: 1 }
streams:
  bulk: { pool: main }
  old: { match: { sender_domain: old.test }, pool: four }
default_stream: bulk
`,
  ),
}

const mx = (v4: readonly string[], v6: readonly string[] = []): MxAnswer => ({
  kind: 'hosts',
  hosts: [{ name: 'mx.one.test', preference: 5, v4, v6 }],
  implicit: false,
  expires: Infinity,
})

const mail = (sender = 'me.test'): HMail => ({
  filename: 'file',
  path: 'queue/file',
  num_failures: 0,
  file_size: 1,
  todo: {
    uuid: 'u.1',
    domain: 'one.test',
    queue_time: 0,
    mail_from: { host: sender, user: 'me', address: `me@${sender}` },
    rcpt_to: [],
    notes: {},
  },
})

/** Lanes that grant at once, or keep everybody waiting. */
class Lanes {
  readonly waiting: Candidate[] = []
  readonly leases: { readonly lane: string; released: boolean }[] = []
  open = true

  admit(source: string, provider: string, candidate: Candidate): void {
    if (this.open) candidate.grant(this.lease(`${source}|${provider}`))
    else {
      this.waiting.push(candidate)
      candidate.park()
    }
  }

  lease(lane: string): Lease {
    const lease = { lane, released: false }
    this.leases.push(lease)
    return { id: lane, release: () => (lease.released = true) }
  }

  *crowded() {
    if (this.waiting.length > 0) {
      yield {
        waiting: this.waiting.length,
        remove: (leaves: (one: Candidate) => boolean) => {
          const [gone, stay] = [this.waiting.filter(leaves), this.waiting.filter((one) => !leaves(one))]
          this.waiting.splice(0, Infinity, ...stay)
          return gone
        },
      }
    }
  }
}

const setUp = (over: { readonly answer?: () => MxAnswer; readonly begin?: () => void } = {}) => {
  const lanes = new Lanes()
  const attempts: Attempt[] = []
  const parked: HMail[] = []
  const woken: HMail[] = []
  const said: string[] = []
  const answer = over.answer ?? (() => mx(['192.0.2.25']))
  const host = {
    dns: {
      cachedMx: answer,
      lookupMx: () => Promise.resolve(answer()),
      lookupAddresses: () => Promise.reject(new Error('not asked')),
    },
    lookupMx: () => Promise.resolve(answer()),
    begin: (hmail: HMail) => {
      over.begin?.()
      const attempt: Attempt = { id: `att${attempts.length}`, hmail, started: 0, number: 1 }
      attempts.push(attempt)
      return attempt
    },
    park: (hmail: HMail) => void parked.push(hmail),
    wake: (hmail: HMail) => void woken.push(hmail),
    returnLease: (lease: Lease) => lease.release(),
  }
  const parts = {
    host: host as unknown as Host,
    log: { notice: (text: string) => void said.push(text), error: (text: string) => void said.push(text) },
    lanes: lanes as unknown as SchedulerParts['lanes'],
    breakers: new Breakers(),
    me: 'me.test',
    now: () => 1000,
    dice: () => 0.1,
  }
  const scheduler = new Scheduler(parts)
  const policy = Policy.of(configuration)
  scheduler.usePolicy(policy)
  return { scheduler, lanes, attempts, parked, woken, said, policy }
}

const settle = () => new Promise(setImmediate)

test('a mail leaves with a route, its hook answered once', async () => {
  const { scheduler, attempts, lanes } = setUp()
  const next = vi.fn()
  scheduler.sendEmail(next, mail())
  await settle()
  expect(next.mock.calls).toEqual([[undefined, undefined]])
  expect(attempts[0]?.route).toMatchObject({
    pool: 'main',
    source: 'a',
    provider: 'one.test',
    lane: 'a|one.test',
    // `b` has no IPv4 address, the MX host no other: the draw is over what is left.
    propensity: 1,
    hosts: [{ name: 'mx.one.test', addresses: ['192.0.2.25'], port: 25, tls: 'opportunistic' }],
    bind: { v4: '192.0.2.1' },
    ehlo: 'a.test',
  })
  expect(lanes.leases).toEqual([{ lane: 'a|one.test', released: false }])
})

test('a parked mail keeps its choice and leaves when it is granted', async () => {
  const { scheduler, attempts, lanes, parked, woken } = setUp()
  lanes.open = false
  const next = vi.fn()
  const hmail = mail()
  scheduler.sendEmail(next, hmail)
  await settle()
  expect(parked).toEqual([hmail])
  expect(next).not.toHaveBeenCalled()
  expect(scheduler.waiting).toBe(1)
  lanes.waiting.shift()?.grant(lanes.lease('a|one.test'))
  expect(woken).toEqual([hmail])
  const again = vi.fn()
  scheduler.sendEmail(again, hmail)
  await settle()
  expect(again).toHaveBeenCalledTimes(1)
  expect(next).not.toHaveBeenCalled()
  expect(attempts[0]?.route?.source).toBe('a')
})

test('what was granted before the weights changed is chosen again, and the lease given back', async () => {
  const { scheduler, attempts, lanes, policy } = setUp({ answer: () => mx(['192.0.2.25'], ['2001:db8::25']) })
  lanes.open = false
  const hmail = mail()
  scheduler.sendEmail(vi.fn(), hmail)
  await settle()
  lanes.waiting.shift()?.grant(lanes.lease('a|one.test'))
  const term = { id: 's', source: 'a', author: 'x', reason: 'x', since: 0 }
  policy?.chooser.swap({ version: 1, at: 0, by: '', reason: '', pools: {}, overrides: [], suspensions: [term] })
  lanes.open = true
  const next = vi.fn()
  scheduler.sendEmail(next, hmail)
  await settle()
  expect(next).toHaveBeenCalledTimes(1)
  expect(lanes.leases[0]?.released).toBe(true)
  expect(attempts.map((one) => one.route?.source)).toEqual(['b'])
})

test('a mail that no source can reach is deferred with the reason', async () => {
  const { scheduler, attempts } = setUp({ answer: () => mx([], ['2001:db8::25']) })
  const next = vi.fn()
  scheduler.sendEmail(next, mail('old.test'))
  await settle()
  expect(next).toHaveBeenCalledTimes(1)
  expect(attempts[0]?.route).toBeUndefined()
  expect(attempts[0]?.noRoute).toMatchObject({ kind: 'unreachable', permanent: false })
})

test('an unexpected fault in the choice defers the mail and is said', async () => {
  const { scheduler, attempts, said } = setUp()
  vi.spyOn(Chooser.prototype, 'choose').mockImplementationOnce(() => {
    throw new Error('made up')
  })
  const next = vi.fn()
  scheduler.sendEmail(next, mail())
  await settle()
  expect(next).toHaveBeenCalledTimes(1)
  expect(attempts[0]?.noRoute).toMatchObject({ permanent: false, enhanced: '4.3.0' })
  expect(said).toEqual([expect.stringMatching(/^SLUICE_INTERNAL: .*made up/)])
})

test('where not even an attempt can be begun the mail is delayed, and its lease given back', async () => {
  const { scheduler, lanes } = setUp({
    begin: () => {
      throw new Error('host is broken')
    },
  })
  const next = vi.fn()
  scheduler.sendEmail(next, mail())
  await settle()
  expect(next.mock.calls).toEqual([[908, 30]])
  expect(lanes.leases.every((one) => one.released)).toBe(true)
})

test('what is thrown behind our hook is said and changes nothing', async () => {
  const { scheduler, said } = setUp()
  scheduler.sendEmail(() => {
    throw new Error('thrown by Haraka')
  }, mail())
  await settle()
  expect(said).toEqual([expect.stringContaining('thrown by Haraka')])
})

test('without egress.yaml mail goes on untouched', async () => {
  const { scheduler, attempts } = setUp()
  scheduler.usePolicy(undefined)
  const next = vi.fn()
  scheduler.sendEmail(next, mail())
  await settle()
  expect(next).toHaveBeenCalledTimes(1)
  expect(attempts).toEqual([])
})
