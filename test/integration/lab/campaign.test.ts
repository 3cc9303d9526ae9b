// A campaign's result is what the server accepted, to the recipient, also when connections break.

import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

import { runCampaign, type CampaignOptions } from '@sluice/lab/campaign'
import { SMTPServer } from 'smtp-server'
import { expect, onTestFinished, test } from 'vitest'

import { first, labOf, oneProvider } from './small'

const domains = { 'one.test': 1 }

const run = (port: number, over: Partial<CampaignOptions> = {}, host = first) =>
  runCampaign({ host, port, messages: 500, domains, connections: 4, ...over })

test('everything accepted is in the lab’s truth, once, and nothing else', async () => {
  const lab = await labOf(
    oneProvider(
      'behaviour: { unknown_users: { share: 0.1 }, messages_per_connection: { max: 9 }, connection_limit: { max: 5 } }',
    ),
  )
  const result = await run(lab.port, { recipients: { max: 4 } })
  const delivered = lab.truth.recipients().filter(({ verdict }) => verdict === 'delivered')
  const key = (id: string, recipient: string) => `${id} ${recipient}`
  expect(delivered.map(({ message_id, rcpt }) => key(message_id, rcpt)).sort()).toEqual(
    result.accepted.map(({ message_id, recipient }) => key(message_id, recipient)).sort(),
  )
  // a 421 at MAIL refuses the whole message: the campaign never sends a refused message again
  const mailRefused = lab.truth.tally.count({ unit: 'message' })
  expect(result.messages.submitted).toBe(500)
  expect(mailRefused).toBeGreaterThan(0)
  expect(result.recipients.refused).toBe(result.recipients.submitted - delivered.length)
  expect(result.recipients.uncertain).toBe(0)
})

test('smtp-server, another receiver, accepts the same mail with headers and text intact', async () => {
  const mails: { text: string; to: string[] }[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    onData: (stream, session, done) => {
      let text = ''
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
      stream.on('end', () => {
        mails.push({ text, to: session.envelope.rcptTo.map(({ address }) => address) })
        done()
      })
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  onTestFinished(() => new Promise<void>((done) => server.close(done)))
  const { port } = server.server.address() as AddressInfo
  const result = await run(port, { messages: 40, recipients: { max: 3 } }, '127.0.0.1')
  expect(result.messages).toEqual({ planned: 40, submitted: 40, accepted: 40 })
  expect(mails.flatMap(({ to }) => to).sort()).toEqual(result.accepted.map(({ recipient }) => recipient).sort())
  for (const { text } of mails) expect(text).toMatch(/^X-Sluice-Stream: (transactional|marketing|outreach)\r\n/m)
})

test('a server that demands credentials gets them', async () => {
  const users: string[] = []
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    disableReverseLookup: true,
    onAuth: (auth, _, done) => {
      users.push(`${auth.username ?? ''}:${auth.password ?? ''}`)
      done(null, { user: auth.username })
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  onTestFinished(() => new Promise<void>((done) => server.close(done)))
  const { port } = server.server.address() as AddressInfo
  const result = await run(port, { messages: 3, connections: 1, auth: { user: 'me', pass: 'secret' } }, '127.0.0.1')
  expect(result.messages.accepted).toBe(3)
  expect(users).toEqual(['me:secret'])
})

test('a connection lost between the dot and its answer makes recipients uncertain, and nothing is sent twice', async () => {
  const lab = await labOf(
    oneProvider(
      'behaviour: { disruptions: [{ at: dot, share: 0.1, how: reset }, { at: data, share: 0.05, how: close }] }',
    ),
  )
  const result = await run(lab.port, { recipients: { min: 2, max: 2 } })
  const { tally } = lab.truth
  expect(result.recipients.uncertain).toBeGreaterThan(20)
  expect(result.recipients.accepted).toBe(tally.count({ verdict: 'delivered' }))
  expect(result.recipients.uncertain).toBe(tally.count({ verdict: 'unanswered', stage: 'dot' }))
  expect(result.recipients.submitted).toBe(1000)
  // before the dot it was tried again
  expect(tally.count({ verdict: 'unanswered', stage: 'data' })).toBeGreaterThan(0)
})

test('an abort stops the campaign after the messages under way; the counts stay exact', async () => {
  const lab = await labOf(oneProvider())
  const controller = new AbortController()
  const result = await run(lab.port, {
    messages: 100_000,
    signal: controller.signal,
    onProgress: ({ messages }) => {
      if (messages.submitted === 300) controller.abort()
    },
  })
  expect(result.aborted).toBe(true)
  expect(result.messages.submitted).toBeGreaterThanOrEqual(300)
  expect(result.messages.submitted).toBeLessThan(310)
  expect(lab.truth.tally.count({ verdict: 'delivered' })).toBe(result.recipients.accepted)
})

test('a rate is kept', async () => {
  const lab = await labOf(oneProvider())
  const result = await run(lab.port, { messages: 101, rate: 100 })
  expect(result.seconds).toBeGreaterThanOrEqual(0.99)
  expect(lab.truth.attendance.of('one', '127.0.0.1')?.messages_per_second).toBeLessThanOrEqual(102)
})

test('a server that cannot be reached or does not let us in ends the campaign with its words', async () => {
  const silent = createServer((socket: Socket) => socket.end('554 no entry\r\n')).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  await expect(run(port, {}, '127.0.0.1')).rejects.toThrow('554 no entry')
  silent.close()
  await once(silent, 'close')
  await expect(run(port, {}, '127.0.0.1')).rejects.toThrow('ECONNREFUSED')
})
