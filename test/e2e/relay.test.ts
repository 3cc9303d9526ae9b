// A pool whose first sources are relays that fail, one after the other in two ways: no message is lost, none is sent
// twice, and each goes out by another source of the pool.

import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'

import { yamlEdit } from '@sluice/run/configuration'
import { freePort } from '@sluice/run/port'

import { FakeReceiver } from '../harness/fake-receiver'
import { labOf, startTestStack, type TestStack } from '../harness/stack'
import { submit } from '../harness/submit'

const messages = 60
let locked: FakeReceiver
let one: TestStack

beforeAll(async () => {
  locked = await FakeReceiver.listen({
    tls: true,
    offers: ['AUTH PLAIN LOGIN'],
    at: { auth: '535 5.7.8 Bad password' },
  })
  const egress = (keys: string[], value: unknown) => yamlEdit('egress.yaml', keys, value)
  one = await startTestStack({
    env: { RELAY_PASSWORD: 'wrong' },
    edits: [
      egress(['sources', 'refusing'], { relay: { host: '127.0.0.1', port: await freePort(), tls: 'none' } }),
      egress(['sources', 'locked'], {
        relay: {
          host: '127.0.0.1',
          port: locked.port,
          tls: 'required',
          username: 'sluice',
          password: { env: 'RELAY_PASSWORD' },
        },
      }),
      // Nearly every first choice is a relay.
      egress(['pools', 'marketing'], { refusing: 1000, locked: 1000, 'mk-1': 1 }),
    ],
  })
  await labOf(one).change('goggle', { behaviour: { unknown_users: null, full_mailboxes: null } })
})
afterAll(async () => {
  await one.end()
  await locked.close()
})

const kinds = z.object({ source: z.string(), kind: z.string(), phase: z.string(), count: z.coerce.number() })

test('relays that refuse the connection or the password cost no message', async () => {
  for (let i = 0; i < messages; i++) {
    await submit(one.stack.smtpPort, {
      to: `someone${i}@goggle.test`,
      from: 'news@shop.test',
      headers: { 'X-Sluice-Stream': 'marketing' },
    })
  }
  const rows = await vi.waitFor(
    async () => {
      const found = await one.api.sql(
        `SELECT source, kind, phase, count() AS count FROM outcomes WHERE kind != 'accepted' GROUP BY source, kind, phase`,
        kinds,
      )
      expect(found.find(({ kind }) => kind === 'delivered')?.count, JSON.stringify(found)).toBe(messages)
      return found
    },
    { timeout: 60_000, interval: 500 },
  )
  const told = (await labOf(one).truth()).filter(({ unit }) => unit === 'recipient')
  expect(told.map(({ client_ip, verdict, count }) => [client_ip, verdict, count])).toEqual([
    ['127.1.1.1', 'delivered', messages],
  ])
  expect(rows.filter(({ kind }) => kind === 'bounced' || kind === 'expired')).toEqual([])
  expect(rows.filter(({ source, kind }) => source !== 'mk-1' && kind === 'delivered')).toEqual([])
  expect(rows.some(({ source, phase }) => source === 'refusing' && phase === 'connect')).toBe(true)
  expect(rows.some(({ source, phase }) => source === 'locked' && phase === 'auth')).toBe(true)
  expect(locked.acceptedRecipients).toEqual([])
})
