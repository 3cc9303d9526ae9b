// Random receivers: any reply, close, reset, silence or dribble at any stage, on fresh and on kept connections,
// pipelined or not, over several hosts. Whatever they do, each recipient has exactly one fate, the fate agrees with
// what the receivers believe to have accepted, and nothing stays open.

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

const plan = fc.record({ trouble, refusals, pipelining: fc.boolean(), tls: fc.boolean(), brokenTls: fc.boolean() })
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never

const scriptOf = (one: Plan | undefined): Script => ({
  offers: one?.pipelining ? ['PIPELINING', 'SIZE 1000000', '8BITMIME'] : [],
  tls: one?.tls ?? false,
  brokenTls: one?.brokenTls ?? false,
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

test('fates agree with the receivers, and nothing leaks', async () => {
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
        await expect.poll(() => receivers.map((one) => one.open)).toEqual(receivers.map(() => 0))
      } finally {
        await Promise.all(receivers.map((one) => one.close()))
      }
    }),
    { numRuns: Number(process.env['SLUICE_RUNS'] ?? 60), interruptAfterTimeLimit: 50_000 },
  )
})
