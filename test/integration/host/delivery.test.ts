// The delivery without Haraka around it, where a test needs more than a Haraka would take.

import { describe, expect, test } from 'vitest'

import { Delivery } from '../../../plugins/host/deliver/delivery'
import { wholeBody } from '../../../plugins/host/smtp/body'
import { keyOf, SessionPool } from '../../../plugins/host/smtp/pool'
import type { Target } from '../../../plugins/host/smtp/session'
import { TlsSettings } from '../../../plugins/host/smtp/tls'
import { FakeReceiver } from '../../harness/fake-receiver'

const ms = 5000
const timeouts = { connect: ms, banner: ms, mail: ms, rcpt: ms, data: ms, block: ms, dot: ms }

const targetOf = ({ port }: FakeReceiver, index: number): Target => ({
  host: `mx${index + 1}.test`,
  address: '127.0.0.1',
  port,
  ehlo: 'sender.test',
  tls: 'none',
  verify: false,
  credentialsInClear: false,
  source: 's',
  timeouts,
})

const address = (ascii: string, unicode = ascii) => ({ ascii, unicode })

/** One message to one receiver; what it was told, and the evidence. */
const send = async (
  offers: readonly string[],
  content: string,
  from = address('<s@s.test>'),
  to = address('<a@x.test>'),
  change: Partial<Target> = {},
) => {
  const receiver = await FakeReceiver.listen({ offers })
  try {
    const result = await new Delivery(
      { pool: new SessionPool(), tls: new TlsSettings(() => ({})) },
      {
        targets: [{ ...targetOf(receiver, 0), ...change }],
        keeping: { lane: '', idle_ms: 0, messages: 1 },
        recipients: 100,
      },
      from,
      [to],
      wholeBody(Buffer.from(content)),
      () => undefined,
    ).run()
    await result.release(true)
    return { commands: receiver.commands[0] ?? [], evidence: result.endings[0]?.evidence }
  } finally {
    await receiver.close()
  }
}

test.each([
  [
    '8-bit content is declared where it can be',
    ['8BITMIME'],
    'Subject: ä\r\n\r\n',
    'MAIL FROM:<s@s.test> BODY=8BITMIME',
  ],
  ['7-bit content is not', ['8BITMIME'], 'Subject: a\r\n\r\n', 'MAIL FROM:<s@s.test>'],
  ['the size is declared where it can be', ['SIZE 1000'], 'Subject: a\r\n\r\n', 'MAIL FROM:<s@s.test> SIZE=14'],
  ['nothing is declared that is not offered', [], 'Subject: ä\r\n\r\n', 'MAIL FROM:<s@s.test>'],
])('%s', async (_what, offers, content, mail) => {
  const { commands, evidence } = await send(offers, content)
  expect(commands).toContain(mail)
  expect(evidence).toMatchObject({ code: 250, phase: 'dot' })
})

describe('addresses in other scripts', () => {
  const recipient = address('<jörg@xn--bcher-kva.test>', '<jörg@bücher.test>')

  test('go as they are where SMTPUTF8 is offered', async () => {
    const { commands } = await send(['SMTPUTF8'], 'x\r\n', address('<s@s.test>'), recipient)
    const told = commands.map((line) => Buffer.from(line, 'latin1').toString())
    expect(told).toContain('MAIL FROM:<s@s.test> SMTPUTF8')
    expect(told).toContain('RCPT TO:<jörg@bücher.test>')
  })

  test('are refused here where it is not (RFC 6531)', async () => {
    const { commands, evidence } = await send([], 'x\r\n', address('<s@s.test>'), recipient)
    expect(evidence).toMatchObject({ code: 550, enhanced: '5.6.7', phase: 'rcpt' })
    expect(commands.some((line) => line.startsWith('MAIL'))).toBe(false)
  })

  test('need it no more where only the domain is', async () => {
    const { commands } = await send(
      [],
      'x\r\n',
      address('<s@s.test>'),
      address('<a@xn--bcher-kva.test>', '<a@bücher.test>'),
    )
    expect(commands).toContain('RCPT TO:<a@xn--bcher-kva.test>')
  })
})

describe('credentials', () => {
  const credentials = { username: 'user', password: 'secret' }

  test('never go in clear unless it is said', async () => {
    const { commands, evidence } = await send(['AUTH PLAIN LOGIN'], 'x\r\n', undefined, undefined, { credentials })
    expect(evidence).toMatchObject({ phase: 'auth', lines: [expect.stringMatching(/not encrypted/)] })
    expect(commands.some((line) => line.startsWith('AUTH'))).toBe(false)
  })

  test('go as CRAM-MD5 where it is offered', async () => {
    const { commands } = await send(['AUTH CRAM-MD5 PLAIN'], 'x\r\n', undefined, undefined, { credentials })
    expect(commands).toContain('AUTH CRAM-MD5')
  })
})

test('a session is kept for targets that equal its own in every respect', async () => {
  const receiver = await FakeReceiver.listen({})
  const target = targetOf(receiver, 0)
  await receiver.close()
  const others: Partial<Target>[] = [
    { host: 'other.test' },
    { address: '127.0.0.2' },
    { port: 1 },
    { bind: '127.0.0.3' },
    { ehlo: 'other.test' },
    { tls: 'required' },
    { tls: 'opportunistic' },
    { verify: true },
    { source: 'other' },
    { credentials: { username: 'a', password: 'b' } },
  ]
  const keys = others.map((other) => keyOf({ ...target, ...other }))
  expect(new Set([keyOf(target), ...keys]).size).toBe(others.length + 1)
  expect(keyOf({ ...target })).toBe(keyOf(target))
})

test.each([[[]], [['PIPELINING']]])(
  'a receiver that goes in the middle of the content has nothing (%s)',
  async (offers) => {
    const receivers = [
      await FakeReceiver.listen({ offers, duringData: { after: 100_000, action: { do: 'reset' } } }),
      await FakeReceiver.listen({ offers }),
    ]
    // More than two kernels will hold: the dot cannot have been sent when the reset comes.
    const content = `Subject: long\r\n\r\n${`${'x'.repeat(76)}\r\n`.repeat(300_000)}`
    try {
      const result = await new Delivery(
        { pool: new SessionPool(), tls: new TlsSettings(() => ({})) },
        { targets: receivers.map(targetOf), keeping: { lane: '', idle_ms: 0, messages: 1 }, recipients: 100 },
        address('<s@s.test>'),
        [address('<a@x.test>')],
        wholeBody(Buffer.from(content)),
        () => undefined,
      ).run()
      await result.release(true)
      expect(result.tries).toMatchObject([{ mx_host: 'mx1.test', phase: 'data', code: 0 }])
      expect(result.endings).toMatchObject([{ evidence: { mx_host: 'mx2.test', phase: 'dot', code: 250 } }])
      expect(receivers[1]?.accepted[0]?.content).toBe(content)
    } finally {
      for (const receiver of receivers) await receiver.close()
    }
  },
)
