// From settlements to records: every field where it belongs, everything within the bounds of the schema, nobody's
// address where it may not be said.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { loadBounceRules } from '@sluice/core/bounce/classify'
import { outcomeSchema, type OutcomeRecord } from '@sluice/core/outcome/record'
import fc from 'fast-check'
import type { Evidence, HMail, Route, Settlement } from 'haraka-plugin-sluice-host'
import { expect, test } from 'vitest'

import { hushReply, sayRecipient, type Discretion } from '@sluice/core/outcome/recipient'
import { acceptedRecords, recordsOf, type Scene } from '../../../plugins/outcome/records'
import { Verdicts } from '../../../plugins/host/attempt/verdicts'

const resolve = createRequire(__filename)
const rules = loadBounceRules((file) => readFileSync(resolve.resolve(`@sluice/core/data/${file}`), 'utf8'))
const verdicts = new Verdicts(() => rules)
const scene: Scene = {
  verdictOf: (attempt, one, over) => verdicts.of(attempt, one, over),
  discretion: { mode: 'plain' },
  host: 'host1',
  worker: '42',
}

const evidence = (more: Partial<Evidence> = {}): Evidence => ({
  mx_host: 'MX.One.test',
  remote_ip: '192.0.2.1',
  port: 25,
  local_ip: '192.0.2.9',
  phase: 'dot',
  code: 250,
  enhanced: '2.0.0',
  lines: ['250 2.0.0 Ok: queued as X'],
  tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
  connect_ms: 12,
  tls_ms: 20,
  first_reply_ms: 13,
  total_ms: 99,
  connection_use: 3,
  ...more,
})

const address = (text: string) => ({ address: text, user: text.split('@')[0] ?? '', host: text.split('@')[1] ?? '' })

const hmail = (notes: Record<string, unknown> = {}): HMail => ({
  filename: 'queue-file',
  path: '/queue/queue-file',
  num_failures: 1,
  file_size: 4321,
  todo: {
    uuid: 'U-1.1',
    domain: 'One.test',
    queue_time: 1_000_000,
    mail_from: address('me@Sender.test'),
    rcpt_to: [address('a@one.test')],
    notes,
  },
})

const route: Route = {
  pool: 'main',
  source: 'src1',
  provider: 'google',
  site: 'l.google.com',
  lane: 'src1|google',
  propensity: 0.75,
  routing_version: 9,
  hosts: [],
  bind: {},
  ehlo: 'src1.test',
  lease: { id: 'l', release: () => undefined },
  messages_per_connection: 10,
  recipients_per_message: 100,
  idle_ms: 0,
  timeouts: { connect: 1, banner: 1, mail: 1, rcpt: 1, data: 1, block: 1, dot: 1 },
}

const tag = {
  message_id: '0190a1b2-0000-7000-8000-000000000001',
  stream: 'news',
  tenant: 'acme',
  campaign: 'may',
  header_message_id: 'm1@sender.test',
  size: 777,
}

const settlement = (more: Partial<Settlement> = {}, notes: Record<string, unknown> = { sluice: tag }): Settlement => ({
  attempt: { id: 'att-1', hmail: hmail(notes), started: 1_000_500, number: 2, route },
  at: 1_002_000,
  recipients: [{ address: 'a@one.test', kind: 'delivered', evidence: evidence() }],
  tries: [],
  ...more,
})

/** As a reader finds it. */
const written = (record: OutcomeRecord): OutcomeRecord => outcomeSchema.parse(JSON.parse(JSON.stringify(record)))

const first = (records: readonly OutcomeRecord[]): OutcomeRecord => {
  const [record] = records
  if (!record) throw new Error('no record')
  return written(record)
}

test('a delivery has everything that is known of it', () => {
  expect(first(recordsOf(settlement(), scene))).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    at: 1_002_000,
    kind: 'delivered',
    message_id: tag.message_id,
    queue_id: 'U-1.1',
    header_message_id: 'm1@sender.test',
    attempt_id: 'att-1',
    attempt: 2,
    tenant: 'acme',
    stream: 'news',
    campaign: 'may',
    pool: 'main',
    source: 'src1',
    source_ip: '192.0.2.9',
    propensity: 0.75,
    routing_version: 9,
    recipient: 'a@one.test',
    recipient_domain: 'one.test',
    sender_domain: 'sender.test',
    provider: 'google',
    site: 'l.google.com',
    mx_host: 'mx.one.test',
    remote_ip: '192.0.2.1',
    code: 250,
    enhanced: '2.0.0',
    reply: '250 2.0.0 Ok: queued as X',
    phase: 'dot',
    class: 'delivered',
    class_rule: 'code/2xx',
    blame: 'none',
    queued_ms: 2000,
    connect_ms: 12,
    total_ms: 99,
    connection_use: 3,
    tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
    size: 777,
    host: 'host1',
    worker: '42',
  })
})

test('refusals are classified, each recipient by its own reply', () => {
  const records = recordsOf(
    settlement({
      recipients: [
        {
          address: 'gone@one.test',
          kind: 'bounced',
          evidence: evidence({ phase: 'rcpt', code: 550, enhanced: '5.1.1', lines: ['550 5.1.1 no such user'] }),
        },
        {
          address: 'full@one.test',
          kind: 'deferred',
          evidence: evidence({ phase: 'rcpt', code: 452, enhanced: '4.2.2', lines: ['452 4.2.2 mailbox full'] }),
        },
      ],
    }),
    scene,
  )
  expect(records.map((one) => [one.kind, one.class, one.blame])).toEqual([
    ['bounced', 'invalid_recipient', 'recipient'],
    ['deferred', 'mailbox_full', 'recipient'],
  ])
  expect(records.every((one) => one.class_rule !== undefined && one.class_rule !== 'none')).toBe(true)
})

test('every MX host tried before is a record of its own, also when the attempt was rerouted', () => {
  const failed = evidence({ phase: 'connect', code: 0, enhanced: '', lines: ['connect ECONNREFUSED 192.0.2.1:25'] })
  const records = recordsOf(settlement({ tries: [failed, failed], recipients: [] }), scene)
  expect(records.map((one) => one.kind)).toEqual(['tried', 'tried'])
  expect(first(records)).toMatchObject({ source: 'src1', class: 'connection_failure', recipient_domain: 'one.test' })
  expect(first(records)).not.toHaveProperty('recipient')
  expect(new Set(records.map((one) => one.id)).size).toBe(2)
})

test('mail without a tag or a route is recorded all the same', () => {
  const bare = settlement({}, {})
  const attempt = { ...bare.attempt }
  delete attempt.route
  const record = first(recordsOf({ ...bare, attempt }, scene))
  expect(record).toMatchObject({ kind: 'delivered', message_id: 'U-1.1', size: 4321 })
  expect(record).not.toHaveProperty('source')
})

test('acceptance is recorded for every recipient', () => {
  const records = acceptedRecords(
    { tag, queueId: 'U-1', senderDomain: 'Sender.test', recipients: ['a@one.test', 'b@Two.test'], at: 5 },
    scene,
  )
  expect(records.map((one) => [one.kind, one.recipient, one.recipient_domain, one.message_id])).toEqual([
    ['accepted', 'a@one.test', 'one.test', tag.message_id],
    ['accepted', 'b@Two.test', 'two.test', tag.message_id],
  ])
  for (const one of records) written(one)
})

test('whatever a receiver says, the record stays within its bounds', () => {
  const text = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'binary', minLength: 1000, maxLength: 9000 }))
  fc.assert(
    fc.property(
      fc.record({
        mx_host: text,
        remote_ip: text,
        local_ip: text,
        enhanced: text,
        tls: text,
        lines: fc.array(text, { maxLength: 5 }),
        code: fc.integer({ min: -10, max: 2000 }),
        connect_ms: fc.double({ noNaN: true }),
        total_ms: fc.integer(),
        connection_use: fc.integer(),
      }),
      text,
      (more, recipient) => {
        const result = { address: recipient, kind: 'deferred' as const, evidence: evidence(more) }
        for (const one of recordsOf(settlement({ recipients: [result], tries: [evidence(more)] }), scene)) {
          written(one)
        }
      },
    ),
    { numRuns: 60 },
  )
})

const hash: Discretion = { mode: 'hash', key: 'secret' }

test('hashes are the same for the same address under the same key, whatever its case', () => {
  expect(sayRecipient('A@One.test', hash)).toBe(sayRecipient('a@one.test', hash))
  expect(sayRecipient('a@one.test', hash)).toMatch(/^[0-9a-f]{64}$/)
  expect(sayRecipient('a@one.test', { mode: 'hash', key: 'other' })).not.toBe(sayRecipient('a@one.test', hash))
  expect(sayRecipient('a@one.test', { mode: 'omit' })).toBeUndefined()
})

test.each(['hash', 'omit'] as const)('with %s the address is not in the reply either', (mode) => {
  const discretion: Discretion = mode === 'hash' ? hash : { mode }
  const refused = evidence({ phase: 'rcpt', code: 550, lines: ['550 <Anna@One.test>: unknown, ANNA@one.TEST'] })
  const record = first(
    recordsOf(settlement({ recipients: [{ address: 'anna@one.test', kind: 'bounced', evidence: refused }] }), {
      ...scene,
      discretion,
    }),
  )
  expect(JSON.stringify(record).toLowerCase()).not.toContain('anna@one.test')
  expect(record.reply).toBe('550 <<recipient>>: unknown, <recipient>')
})

test('text whose lower case has another length is hushed too', () => {
  expect(hushReply('İ a@one.test', 'A@one.test', { mode: 'omit' })).not.toContain('a@one.test')
})
