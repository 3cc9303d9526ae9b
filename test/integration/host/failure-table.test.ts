// Every way a receiver can fail (the failure table of Haraka's outbound), played against a real Haraka: what each
// recipient gets, with what evidence, that the leases come back and that the receiver agrees.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { FakeReceiver, type Script } from '../../harness/fake-receiver'
import { RecordingHaraka, type Settled, type TestRoute } from './recorder'

let recording: RecordingHaraka
const receivers: FakeReceiver[] = []

beforeAll(async () => {
  recording = await RecordingHaraka.start()
})

afterAll(async () => {
  await recording.stop()
  for (const receiver of receivers) await receiver.close()
})

const receive = async (script?: Script | ((connection: number) => Script)): Promise<FakeReceiver> => {
  const receiver = await FakeReceiver.listen(script)
  receivers.push(receiver)
  return receiver
}

/** One message along the route. */
const sendAlong = async (route: TestRoute, to: readonly string[]): Promise<Settled> => {
  const one = recording.open(route)
  await one.submit(to)
  const [first] = await one.settled(1)
  if (!first) throw new Error('nothing was settled')
  await one.leasesReturned()
  return first
}

/** One message through receivers with these scripts, as MX hosts in that order. */
const send = async (
  scripts: readonly (Script | ((connection: number) => Script))[],
  to: readonly string[] = ['a@x.test'],
  route: Partial<TestRoute> = {},
): Promise<{ readonly first: Settled; readonly receivers: readonly FakeReceiver[] }> => {
  const list = await Promise.all(scripts.map((script) => receive(script)))
  const hosts = list.map(({ port }, index) => ({ name: `mx${index + 1}.test`, port, ...route.hosts?.[index] }))
  return { first: await sendAlong({ ...route, hosts }, to), receivers: list }
}

describe.concurrent('refusals and failures before MAIL', () => {
  const good: Script = {}
  test.each<[string, Script, string, number, RegExp]>([
    ['421 banner', { at: { banner: '421 4.3.2 busy' } }, 'banner', 421, /busy/],
    ['554 banner', { at: { banner: '554 5.7.1 blocked, see https://example.test' } }, 'banner', 554, /blocked/],
    ['closed instead of a banner', { at: { banner: { do: 'close' } } }, 'banner', 0, /closed/],
    ['reset instead of a banner', { at: { banner: { do: 'reset' } } }, 'banner|connect', 0, /ECONNRESET|closed/],
    ['no banner', { at: { banner: { do: 'silence' } } }, 'banner', 0, /no reply/],
    ['garbage banner', { at: { banner: 'HTTP/1.1 400 Bad Request' } }, 'banner', 0, /not an SMTP reply/],
    ['4xx to EHLO', { at: { ehlo: '451 4.7.1 later' } }, 'ehlo', 451, /later/],
    ['5xx to EHLO and HELO', { at: { ehlo: '500 what', helo: '554 5.7.1 no' } }, 'ehlo', 554, /no/],
    ['closed at EHLO', { at: { ehlo: { do: 'close' } } }, 'ehlo', 0, /closed/],
    [
      '4xx to STARTTLS where TLS is required',
      { tls: true, at: { starttls: '454 4.7.0 not now' } },
      'starttls',
      454,
      /not now/,
    ],
    ['TLS required and not offered', {}, 'starttls', 0, /required/],
    ['a broken handshake where TLS is required', { tls: true, brokenTls: true }, 'tls', 0, /./],
  ])('%s: the next MX gets the mail, and both tries are told', async (_name, script, phase, code, text) => {
    const tls = /STARTTLS|TLS|handshake/.test(_name) ? 'required' : 'none'
    const { first, receivers: list } = await send([script, good], ['a@x.test'], {
      hosts: [{ tls }, {}],
      ...(_name === 'no banner' ? { timeouts: { banner: 300 } } : {}),
    })
    expect(first.tries).toMatchObject([
      {
        mx_host: 'mx1.test',
        phase: expect.stringMatching(`^(${phase})$`) as string,
        code,
        remote_ip: '127.0.0.1',
        local_ip: '127.0.0.1',
      },
    ])
    expect(first.tries[0]?.lines.join()).toMatch(text)
    expect(first.recipients).toMatchObject([
      { address: 'a@x.test', kind: 'delivered', evidence: { mx_host: 'mx2.test', code: 250, enhanced: '2.0.0' } },
    ])
    expect(list[1]?.acceptedRecipients).toEqual(['a@x.test'])
  })

  test('554 at every MX defers with its text', async () => {
    const { first } = await send([
      { at: { banner: '554 5.7.1 blocked' } },
      { at: { banner: '554 5.7.1 also blocked' } },
    ])
    expect(first.tries).toHaveLength(1)
    expect(first.recipients).toMatchObject([
      {
        kind: 'deferred',
        evidence: { phase: 'banner', code: 554, enhanced: '5.7.1', lines: ['554 5.7.1 also blocked'] },
      },
    ])
  })

  test('a refused connection defers with host, address and reason', async () => {
    const gone = await FakeReceiver.listen()
    const { port } = gone
    await gone.close()
    const first = await sendAlong({ hosts: [{ port }] }, ['a@x.test'])
    expect(first.recipients).toMatchObject([
      { kind: 'deferred', evidence: { phase: 'connect', port, mx_host: 'mx.test', code: 0 } },
    ])
  })

  test('an address that cannot be bound is told as such', async () => {
    const { port } = await receive()
    const route = { hosts: [{ port, addresses: ['192.0.2.1'] }], timeouts: { connect: 200 } }
    const first = await sendAlong(route, ['a@x.test'])
    expect(first.recipients).toMatchObject([{ kind: 'deferred', evidence: { phase: 'connect' } }])
  })

  test('a handshake that fails does not keep the mail where TLS is only wished for', async () => {
    const { first } = await send([{ tls: true, brokenTls: true }], ['a@x.test'], { hosts: [{ tls: 'opportunistic' }] })
    expect(first.tries).toMatchObject([{ phase: 'tls' }])
    expect(first.recipients).toMatchObject([{ kind: 'delivered', evidence: { tls: '' } }])
  })

  test('TLS is told by version and cipher', async () => {
    const { first } = await send([{ tls: true }], ['a@x.test'], { hosts: [{ tls: 'required' }] })
    expect(first.recipients).toMatchObject([{ kind: 'delivered', evidence: { tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384' } }])
  })

  test('a certificate that must be valid and is not ends the connection', async () => {
    const { first } = await send([{ tls: true }], ['a@x.test'], { hosts: [{ tls: 'required', verify: true }] })
    expect(first.recipients).toMatchObject([{ kind: 'deferred', evidence: { phase: 'tls' } }])
  })

  test.each([
    ['PLAIN', /^AUTH PLAIN AHUAcA==$/],
    ['LOGIN', /^AUTH LOGIN$/],
  ])('refused credentials (%s) defer, whatever the code', async (mechanism, command) => {
    const { first, receivers: list } = await send(
      [{ offers: [`AUTH ${mechanism}`], at: { auth: '535 5.7.8 no' } }],
      ['a@x.test'],
      { hosts: [{ auth: { username: 'u', password: 'p' } }] },
    )
    expect(first.recipients).toMatchObject([{ kind: 'deferred', evidence: { phase: 'auth', code: 535 } }])
    expect(list[0]?.commands[0]?.some((line) => command.test(line))).toBe(true)
  })

  test('credentials without AUTH on offer are not ignored', async () => {
    const { first } = await send([{}], ['a@x.test'], { hosts: [{ auth: { username: 'u', password: 'p' } }] })
    expect(first.recipients).toMatchObject([{ kind: 'deferred', evidence: { phase: 'auth' } }])
  })
})

describe.concurrent.each([
  ['step by step', []],
  ['pipelined', ['PIPELINING']],
] as const)('replies to the message, %s', (_name, offers) => {
  test.each<[string, NonNullable<Script['at']>, string, string, number]>([
    ['421 to MAIL', { mail: '421 4.7.0 too much mail' }, 'deferred', 'mail', 421],
    ['4xx to MAIL', { mail: '450 4.7.28 rate limit' }, 'deferred', 'mail', 450],
    ['5xx to MAIL', { mail: '550 5.7.1 no' }, 'bounced', 'mail', 550],
    ['4xx to RCPT', { rcpt: '451 4.7.1 greylisted' }, 'deferred', 'rcpt', 451],
    ['5xx to RCPT', { rcpt: '550 5.1.1 unknown' }, 'bounced', 'rcpt', 550],
    ['552 to RCPT: too many recipients', { rcpt: '552 5.5.3 too many recipients' }, 'deferred', 'rcpt', 452],
    ['4xx to DATA', { data: '451 4.3.0 later' }, 'deferred', 'data', 451],
    ['5xx to DATA', { data: '554 5.7.1 no' }, 'bounced', 'data', 554],
    ['4xx to the dot', { dot: '450 4.2.0 greylisted' }, 'deferred', 'dot', 450],
    ['5xx to the dot', { dot: '550 5.7.1 spam' }, 'bounced', 'dot', 550],
    ['421 to the dot', { dot: '421 4.3.0 going down' }, 'deferred', 'dot', 421],
    ['the reply to the dot is lost', { dot: { do: 'close', accept: true } }, 'deferred', 'dot', 0],
    ['reset after the dot', { dot: { do: 'reset', accept: true } }, 'deferred', 'dot', 0],
    ['silence after the dot', { dot: { do: 'silence', accept: true } }, 'deferred', 'dot', 0],
    ['garbage after the dot', { dot: 'ok' }, 'deferred', 'dot', 0],
  ])('%s ends the attempt without another MX', async (_what, at, kind, phase, code) => {
    const { first, receivers: list } = await send([{ offers, at }, {}], ['a@x.test', 'b@x.test'], {
      ...(typeof at.dot === 'object' ? { timeouts: { dot: 300 } } : {}),
    })
    expect(first.recipients).toHaveLength(2)
    for (const recipient of first.recipients) expect(recipient).toMatchObject({ kind, evidence: { phase, code } })
    expect(first.tries).toEqual([])
    expect(list[1]?.connections).toBe(0)
  })

  test.each<[string, NonNullable<Script['at']>]>([
    ['closed at MAIL', { mail: { do: 'close' } }],
    ['reset at RCPT', { rcpt: { do: 'reset' } }],
    ['silence at RCPT', { rcpt: { do: 'silence' } }],
    ['closed at DATA', { data: { do: 'close' } }],
    ['garbage at MAIL', { mail: 'hello there' }],
    ['3xx at RCPT', { rcpt: '354 go on' }],
  ])('%s: nothing was handed over, the next MX gets it', async (_what, at) => {
    const { first, receivers: list } = await send([{ offers, at }, { offers }], ['a@x.test'], {
      ...(_what.startsWith('silence') ? { timeouts: { rcpt: 300 } } : {}),
    })
    expect(first.recipients).toMatchObject([{ kind: 'delivered', evidence: { mx_host: 'mx2.test' } }])
    expect(first.tries).toMatchObject([{ mx_host: 'mx1.test', code: 0 }])
    expect(list[1]?.acceptedRecipients).toEqual(['a@x.test'])
  })

  test('251 and 252 are acceptance', async () => {
    const rcpt = (address: string) => (address.startsWith('a') ? '251 will forward' : '252 cannot verify')
    const { first, receivers: list } = await send([{ offers, rcpt }], ['a@x.test', 'b@x.test'])
    expect(first.recipients.map((one) => one.kind)).toEqual(['delivered', 'delivered'])
    expect(list[0]?.acceptedRecipients).toEqual(['a@x.test', 'b@x.test'])
  })

  test('recipients that fare differently are told apart', async () => {
    const replies: Record<string, string> = { b: '450 4.2.2 full', c: '550 5.1.1 unknown', d: '550 5.7.1 no' }
    const { first, receivers: list } = await send(
      [{ offers, rcpt: (address) => replies[address[0] ?? ''] }],
      ['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test', 'e@x.test'],
    )
    const byAddress = first.recipients.map(({ address, kind, evidence }) => [address[0], kind, evidence.enhanced])
    expect(byAddress.toSorted()).toEqual([
      ['a', 'delivered', '2.0.0'],
      ['b', 'deferred', '4.2.2'],
      ['c', 'bounced', '5.1.1'],
      ['d', 'bounced', '5.7.1'],
      ['e', 'delivered', '2.0.0'],
    ])
    // The bounce message to the sender comes this way too.
    expect(list[0]?.accepted.find((one) => one.from !== '')?.recipients).toEqual(['a@x.test', 'e@x.test'])
  })

  test('replies may come byte by byte and in many lines', async () => {
    const { first } = await send([
      {
        offers,
        at: {
          banner: '220-welcome\r\n220 to this host',
          mail: { do: 'dribble', text: '250 2.1.0 ok' },
          dot: { do: 'dribble', text: '250-2.6.0 one\r\n250 2.6.0 two' },
        },
      },
    ])
    expect(first.recipients).toMatchObject([
      { kind: 'delivered', evidence: { enhanced: '2.6.0', lines: ['250-2.6.0 one', '250 2.6.0 two'] } },
    ])
  })
})

test.concurrent('a reply that says nothing at all in time is no duplicate: one copy arrives', async () => {
  const receiver = await receive({ at: { dot: { do: 'delay', ms: 1500, text: '250 2.0.0 taken' } } })
  const timeouts = { mail: 1000, rcpt: 1000, connect: 1000 }
  const first = await sendAlong({ hosts: [{ port: receiver.port }], timeouts }, ['a@x.test'])
  expect(first.recipients).toMatchObject([{ kind: 'delivered' }])
  expect(receiver.accepted).toHaveLength(1)
})

test.concurrent('the size a receiver announces is believed', async () => {
  const { first, receivers: list } = await send([{ offers: ['SIZE 100'] }])
  expect(first.recipients).toMatchObject([{ kind: 'bounced', evidence: { code: 552, enhanced: '5.3.4' } }])
  expect(list[0]?.commands[0]?.some((line) => line.startsWith('MAIL'))).toBe(false)
})

test('after all of that nothing is left open: no socket, no descriptor', async () => {
  await expect.poll(() => receivers.map(({ open }) => open)).toEqual(receivers.map(() => 0))
  await expect.poll(() => recording.descriptorsLeft(), { timeout: 10_000 }).toBeLessThanOrEqual(0)
})
