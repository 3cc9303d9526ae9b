// What a receiver sees of a tagged message, and what stays of the tag: real Haraka, real receiver.

import { expect, onTestFinished, test } from 'vitest'

import { FakeReceiver } from '../../harness/fake-receiver'
import { HarakaProcess } from '../../harness/haraka'
import { allPlugins, startSluice } from '../../harness/sluice'
import { submit } from '../../harness/submit'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.35.1.1, down: true }]
`
const egress = `
sources:
  a: { ip: 127.35.9.1, ehlo: a.sender.test }
pools:
  main: { a: 1 }
streams:
  news: { pool: main }
  bulk: { pool: main }
default_stream: bulk
`
const message = [
  'X-Sluice-Stream: news',
  'x-sluice-tenant: acme',
  'From: sender@sender.test',
  'X-Sluice-Campaign: spring',
  '\tsale',
  'X-SLUICE-CAMPAIGN: second',
  'Subject: kept',
  'X-Sluice-Tenant:',
  ' folded-only',
  'Message-ID: <m1@sender.test>',
  'X-Other: kept too',
  '',
  'X-Sluice-Stream: in the body it stays',
  '',
].join('\r\n')

test('all internal fields are gone, repeated and folded ones too, and everything else is left alone', async () => {
  const receiver = await FakeReceiver.listen({}, '127.35.1.1')
  onTestFinished(() => receiver.close())
  const stack = await startSluice({ internet, egress, port25: receiver.port })
  await submit(stack.haraka.port, { to: ['u1@one.test', 'u2@one.test'], message })
  const delivered = await stack.recorded('delivered', 2)
  expect(new Set(delivered.map((one) => one.message_id)).size).toBe(1)
  expect(delivered[0]).toMatchObject({
    stream: 'news',
    tenant: 'acme',
    campaign: 'spring sale',
    header_message_id: 'm1@sender.test',
  })
  const [accepted] = receiver.accepted
  const [header = '', body] = accepted?.content.split('\r\n\r\n') ?? []
  expect(header.toLowerCase()).not.toContain('x-sluice')
  expect(header).not.toMatch(/acme|spring|sale|second|folded-only/)
  expect(header).toContain('Subject: kept\r\n')
  expect(header).toContain('X-Other: kept too')
  expect(body).toContain('X-Sluice-Stream: in the body it stays')
})

test('mail that does not leave is not touched', async () => {
  // Nobody relays; the message ends in a local queue that notes what it got.
  const haraka = await HarakaProcess.start({
    plugins: [...allPlugins, 'inbound'],
    localPlugins: {
      'harness-relay': 'exports.hook_rcpt = (next) => next(OK)',
      inbound: `exports.hook_queue = function (next, connection) {
        const { header, notes } = connection.transaction
        this.lognotice('QUEUED ' + JSON.stringify([header.get_all('X-Sluice-Tenant'), notes.sluice === undefined]))
        next(OK)
      }`,
    },
    config: { 'egress.yaml': egress },
    env: { REDIS_URL: 'redis://127.0.0.1:1' },
  })
  onTestFinished(() => haraka.stop())
  await submit(haraka.port, { to: 'u@here.test', headers: { 'X-Sluice-Tenant': 'acme' } })
  const [, said] = await haraka.logged(/QUEUED (.*)$/)
  expect(JSON.parse(said ?? '')).toEqual([['acme\n'], true])
})
