// Random receivers: any reply, close, reset, silence or dribble at any stage, on fresh and on kept connections,
// pipelined or not, over several hosts. Whatever they do, each recipient has exactly one fate, the fate agrees with
// what the receivers believe to have accepted, and nothing stays open.

import { readdir } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Lease } from '../../../plugins/host/contract'
import { Delivery } from '../../../plugins/host/deliver/delivery'
import { wholeBody } from '../../../plugins/host/smtp/body'
import { verdictOf } from '../../../plugins/host/smtp/fate'
import { SessionPool } from '../../../plugins/host/smtp/pool'
import type { Target } from '../../../plugins/host/smtp/session'
import { TlsSettings } from '../../../plugins/host/smtp/tls'
import { FakeReceiver, type Action, type Script, type Stage } from '../../harness/fake-receiver'

const stages: readonly Stage[] = ['banner', 'ehlo', 'helo', 'starttls', 'mail', 'rcpt', 'data', 'dot', 'rset', 'quit']

const reply = fc.constantFrom(
  '220 hello',
  '250 2.0.0 ok',
  '250-one\r\n250 2.0.0 two',
  '251 forwarded',
  '252 perhaps',
  '354 go on',
  '421 4.3.2 bye',
  '450 4.2.1 later',
  '452 4.5.3 too many',
  '500 what',
  '550 5.1.1 no',
  '552 5.5.3 too many recipients',
  '554 5.7.1 blocked',
  'garbage',
)

const refusal = reply.filter((text) => !text.startsWith('2'))

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: reply },
  { weight: 2, arbitrary: fc.constantFrom<Action>({ do: 'close' }, { do: 'reset' }, { do: 'silence' }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Action>(
      { do: 'close', accept: true },
      { do: 'reset', accept: true },
      { do: 'silence', accept: true },
    ),
  },
  { weight: 1, arbitrary: reply.map((text): Action => ({ do: 'say-and-close', text })) },
  { weight: 1, arbitrary: reply.map((text): Action => ({ do: 'dribble', text })) },
)

/** What goes wrong on one connection: at which stage of which message. Everything else goes well. */
const trouble = fc.array(fc.tuple(fc.constantFrom(...stages), fc.nat(2), action), { maxLength: 3 })
const refusals = fc.array(fc.tuple(fc.nat(2), reply), { maxLength: 2 })

/**
 * In the middle of the content, of the first message only: the receiver is gone then. It does not say yes: of a small
 * message the dot is on its way, and nobody could tell such a yes from the reply to it.
 */
const duringData = fc.oneof(
  { weight: 7, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.record({
      after: fc.constantFrom(0, 5),
      action: fc.oneof(fc.constantFrom<Action>({ do: 'close' }, { do: 'reset' }, { do: 'silence' }), refusal),
    }),
  },
)

const plan = fc.record({
  trouble,
  refusals,
  duringData,
  pipelining: fc.boolean(),
  tls: fc.boolean(),
  brokenTls: fc.boolean(),
})
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never

const scriptOf = (one: Plan | undefined): Script => ({
  offers: one?.pipelining ? ['PIPELINING', 'SIZE 1000000', '8BITMIME'] : [],
  tls: one?.tls ?? false,
  brokenTls: one?.brokenTls ?? false,
  ...(one?.duringData ? { duringData: one.duringData } : {}),
  nth: (stage, message) => one?.trouble.find(([where, n]) => where === stage && n === message)?.[2],
  rcpt: (address) => one?.refusals.find(([n]) => address.startsWith(`r${n}@`))?.[1],
})

/** What the connections of one host meet, in turn. */
const host = fc.array(plan, { minLength: 1, maxLength: 3 })

const scenario = fc.record({
  hosts: fc.array(host, { minLength: 1, maxLength: 3 }),
  messages: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 }),
  tls: fc.constantFrom<Target['tls']>('none', 'opportunistic', 'required'),
  keep: fc.boolean(),
})

class CountedLease implements Lease {
  released = 0
  constructor(readonly id: string) {}
  release(): void {
    this.released++
  }
}

const ms = 150
const timeouts = { connect: ms, banner: ms, mail: ms, rcpt: ms, data: ms, block: ms, dot: ms }

/** Descriptors, and what keeps the event loop busy, of this process: sockets and timers of sender and receivers. */
const openHere = async () => {
  const busy = process.getActiveResourcesInfo()
  return {
    descriptors: (await readdir('/proc/self/fd')).length,
    sockets: busy.filter((name) => /TCP|TLS/.test(name)).length,
  }
}

/** Bytes in use when all garbage is gone. */
const heapUsed = (): number => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

const runs = Number(process.env['SLUICE_RUNS'] ?? 60)

test('fates agree with the receivers, and nothing leaks', async () => {
  const before = await openHere()
  let run = 0
  let early = 0
  await fc.assert(
    fc.asyncProperty(scenario, async ({ hosts, messages, tls, keep }) => {
      const receivers = await Promise.all(
        hosts.map((plans) => FakeReceiver.listen((n) => scriptOf(plans[n % plans.length]))),
      )
      const pool = new SessionPool()
      const tools = { pool, tls: new TlsSettings(() => ({})) }
      const leases: CountedLease[] = []
      const targets = receivers.map(({ port }, index): Target => ({
        host: `mx${index}.test`,
        address: '127.0.0.1',
        port,
        ehlo: 'sender.test',
        tls,
        verify: false,
        credentialsInClear: false,
        source: 's',
        timeouts,
      }))
      try {
        for (const [number, recipients] of messages.entries()) {
          const to = Array.from({ length: recipients }, (_, n) => `r${n}@m${number}.test`)
          const idle = pool.takeLease('lane')
          const lease = idle ?? new CountedLease(String(number))
          if (lease instanceof CountedLease && !leases.includes(lease)) leases.push(lease)
          const result = await new Delivery(
            tools,
            { targets, keeping: { lane: 'lane', idle_ms: keep ? 5000 : 0, messages: 4 }, recipients: 2, lease },
            { ascii: '<s@s.test>', unicode: '<s@s.test>' },
            to.map((address) => ({ ascii: `<${address}>`, unicode: `<${address}>` })),
            wholeBody(Buffer.from(`Subject: ${number}\r\n\r\nhello\r\n`)),
            () => undefined,
          ).run()
          await result.release(true)

          expect(result.endings).toHaveLength(recipients)
          for (const [index, { fate, evidence }] of result.endings.entries()) {
            const copies = receivers.flatMap((one) => one.acceptedRecipients).filter((one) => one === to[index]).length
            const verdict = verdictOf(fate)
            if (verdict === 'delivered') expect(copies).toBe(1)
            else if (verdict === 'bounced') expect(copies).toBe(0)
            else if (copies > 0) expect([copies, fate.phase, evidence.code]).toEqual([1, 'dot', 0])
          }
          expect(leases.filter((one) => one.released === 0).length).toBeLessThanOrEqual(1)
        }
        await pool.close()
        expect(leases.map((one) => one.released)).toEqual(leases.map(() => 1))
        expect(Math.max(...receivers.map((one) => one.mostOpen))).toBeLessThanOrEqual(1)
        expect(pool.size).toBe(0)
        await expect.poll(() => receivers.map((one) => one.open)).toEqual(receivers.map(() => 0))
      } finally {
        await Promise.all(receivers.map((one) => one.close()))
      }
      // What is loaded and compiled at first use is there by then.
      if (++run === Math.ceil(runs / 3)) early = heapUsed()
    }),
    { numRuns: runs, interruptAfterTimeLimit: 30_000 },
  )
  await expect.poll(openHere, { timeout: 5000 }).toEqual(before)
  if (run >= runs) expect(heapUsed() - early).toBeLessThan(8 * 1024 * 1024)
})
