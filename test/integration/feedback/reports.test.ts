// From a file in the report spool to outcome records, with the real engine: led back by signature, once, and nothing
// that is not understood is lost.

import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'
import { readFeedback, type FeedbackConfig } from '@sluice/core/config/feedback'
import { signHeaderToken } from '@sluice/core/identity/header-token'
import { signReturnPath } from '@sluice/core/identity/return-path'
import type { Keyring } from '@sluice/core/identity/token'
import { unsubscribeLink } from '@sluice/core/identity/unsubscribe-link'
import type { Discretion } from '@sluice/core/outcome/recipient'
import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { FeedbackIntake, type FeedbackIntakeOptions } from '@sluice/sidecar/feedback/intake'
import { ReportFolder } from '@sluice/sidecar/feedback/report-folder'
import { startIngest, type Ingest } from '@sluice/sidecar/ingest/ingester'
import { silent } from '@sluice/sidecar/log'
import { uuid7 } from 'haraka-plugin-sluice-host'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { arf, autoReply, dmarc, dsn, tlsrpt } from '../../harness/reports'
import { readSpool } from '../../harness/sluice'
import { shippedRules } from '../../unit/bounce/rules'
import { runEngine, type Running } from '../engine/running'
import { insertOutcomes, outcome } from '../score/outcomes'

let running: Running
let client: ClickHouseClient
let folder: string
let spool: string
let reports: ReportFolder

const keys: Keyring = [{ id: 3, secret: Buffer.from('a secret of sixteen bytes') }]
const config = readFeedback(
  'feedback.yaml',
  `
keys: [{ id: 3, secret: { env: KEY } }]
return_path: { domain: bounce.test }
unsubscribe: { url: https://here.test/u, streams: [news] }
`,
) as FeedbackConfig
const rules = shippedRules()
const plain: Discretion = { mode: 'plain' }

beforeAll(async () => {
  running = await runEngine()
  client = await openClickHouse({ engine: running.engine })
})
afterAll(async () => {
  await client.close()
  await running.end()
})
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-reports-'))
  spool = path.join(folder, 'spool')
  reports = new ReportFolder(path.join(folder, 'reports'), 'host')
  await reports.prepare()
  await mkdir(spool)
  for (const table of ['outcomes', 'evidence', 'segments']) await client.command({ query: `TRUNCATE TABLE ${table}` })
  return () => rm(folder, { recursive: true, force: true })
})

const intake = (options: Partial<FeedbackIntakeOptions> & { discretion?: Discretion } = {}): FeedbackIntake => {
  const { discretion = plain, ...rest } = options
  return new FeedbackIntake({
    reports,
    spool,
    client: () => client,
    parts: () => ({ config, keys, rules, discretion }),
    log: silent,
    ...rest,
  })
}
const add = (message: string, rcpt_to: readonly string[] = ['bounces@here.test']): Promise<string> =>
  reports.add(
    { v: 1, at: Date.now(), client_ip: '192.0.2.9', mail_from: '', rcpt_to: [...rcpt_to] },
    Buffer.from(message),
  )
const take = async (options?: Parameters<typeof intake>[0]): Promise<OutcomeRecord[]> => {
  const one = intake(options)
  await one.round()
  expect(one.fault).toBe('')
  return readSpool(spool)
}
const aside = async (): Promise<string[]> => {
  const names = await readdir(path.join(folder, 'reports/quarantine'))
  return Promise.all(
    names
      .filter((name) => name.endsWith('.reason'))
      .map(async (name) => (await readFile(path.join(folder, 'reports/quarantine', name), 'utf8')).trim()),
  )
}

/** A message that was delivered an hour ago. */
const sent = async (recipients: readonly string[] = ['Anna@there.test'], parts: Partial<OutcomeRecord> = {}) => {
  const at = Date.now() - 3_600_000
  const message_id = uuid7(at)
  await insertOutcomes(
    client,
    recipients.map((recipient) =>
      outcome({
        at,
        message_id,
        recipient,
        recipient_domain: 'there.test',
        header_message_id: `${message_id}@here.test`,
        tenant: 'acme',
        stream: 'news',
        campaign: 'may',
        source: 'a',
        provider: 'there',
        ...parts,
      }),
    ),
  )
  const [only] = recipients
  const bound = recipients.length === 1 && only ? { message_id, recipient: only } : { message_id }
  return {
    message_id,
    returnPath: signReturnPath(keys, 'bounce.test', bound),
    token: signHeaderToken(keys, bound),
    link: `<${unsubscribeLink(keys, 'https://here.test/u', message_id, only ?? '')}>`,
  }
}

describe('a report is led back to message and recipient', () => {
  const about = { kind: 'oob_bounced', recipient: 'Anna@there.test', tenant: 'acme', stream: 'news', source: 'a' }

  it('by its return path, and told as an outcome with its class', async () => {
    const { returnPath, message_id } = await sent()
    await add(dsn(), [returnPath])
    expect(await take()).toMatchObject([
      {
        ...about,
        recipient: 'anna@there.test',
        message_id,
        identified_by: 'return_path',
        class: 'invalid_recipient',
        phase: 'report',
        code: 550,
        enhanced: '5.1.1',
        mx_host: 'mx.there.test',
        campaign: 'may',
        provider: 'there',
        recipient_domain: 'there.test',
      },
    ])
    expect(await readdir(path.join(folder, 'reports'))).toEqual(['quarantine', 'taken'])
  })

  it.each([
    ['its header token', 'header_token', (one: Awaited<ReturnType<typeof sent>>) => ({ 'X-Sluice-Token': one.token })],
    [
      'the Return-Path in the original',
      'return_path',
      (one: Awaited<ReturnType<typeof sent>>) => ({ 'Return-Path': `<${one.returnPath}>` }),
    ],
    [
      'its one-click link',
      'unsubscribe_link',
      (one: Awaited<ReturnType<typeof sent>>) => ({ 'List-Unsubscribe': one.link }),
    ],
  ] as const)('by %s, whoever it is addressed to and whatever address it names', async (_what, by, headersOf) => {
    const message = await sent()
    await add(dsn({ recipient: 'alias-of-anna@elsewhere.test', headers: headersOf(message) }))
    expect(await take()).toMatchObject([{ ...about, message_id: message.message_id, identified_by: by }])
  })

  it('where the complaint hides who complained', async () => {
    const { token, message_id } = await sent()
    await add(arf({ headers: { 'X-Sluice-Token': token }, to: 'redacted@there.test' }))
    expect(await take()).toMatchObject([
      { ...about, kind: 'complained', message_id, identified_by: 'header_token', class_rule: 'report/abuse' },
    ])
  })

  it('where only the hash of the address is recorded', async () => {
    const discretion = { mode: 'hash', key: 'k' } as const
    const { returnPath } = await sent(['anna@there.test'], { recipient: 'ab12' })
    await add(dsn({ recipient: 'alias@elsewhere.test', diagnostic: '550 5.1.1 alias@elsewhere.test unknown' }), [
      returnPath,
    ])
    const [record] = await take({ discretion })
    expect(record).toMatchObject({ recipient: 'ab12', identified_by: 'return_path' })
    expect(JSON.stringify(record)).not.toContain('alias@elsewhere.test')
  })

  it('by a return path for several: each of those the message went to, and nobody else', async () => {
    const { returnPath, message_id } = await sent(['anna@there.test', 'bert@there.test'])
    await add(dsn({ others: ['bert@there.test', 'carl@there.test'] }), [returnPath])
    const records = await take()
    expect(records.map(({ recipient, identified_by }) => [recipient, identified_by]).toSorted()).toEqual([
      ['anna@there.test', 'return_path'],
      ['bert@there.test', 'return_path'],
      ['carl@there.test', 'message_id'],
    ])
    expect(new Set(records.map((record) => record.message_id))).toEqual(new Set([message_id]))
  })

  it('by a header token for several: the message, but nobody in particular', async () => {
    const { token, message_id } = await sent(['anna@there.test', 'bert@there.test'])
    await add(dsn({ headers: { 'X-Sluice-Token': token } }))
    expect(await take()).toMatchObject([{ message_id, identified_by: 'message_id' }])
  })

  it('by Message-ID, or by nothing but an address: recorded, unverified', async () => {
    const { message_id } = await sent()
    await add(dsn({ headers: { 'Message-ID': `<${message_id}@here.test>` } }))
    await add(dsn({ recipient: 'x@y.test' }))
    const records = await take()
    expect(records).toHaveLength(2)
    expect(records).toContainEqual(
      expect.objectContaining({
        message_id,
        identified_by: 'message_id',
        stream: 'news',
        recipient: 'anna@there.test',
      }),
    )
    expect(records).toContainEqual(expect.objectContaining({ identified_by: 'address', recipient: 'x@y.test' }))
  })
})

describe('a report means', () => {
  it('a deferral where delivery is delayed; nothing where it worked, or where a machine answered', async () => {
    const { returnPath } = await sent()
    await add(dsn({ action: 'delayed', status: '4.2.2', diagnostic: '452 4.2.2 mailbox full' }), [returnPath])
    await add(dsn({ action: 'delivered', status: '2.0.0' }), [returnPath])
    await add(autoReply(returnPath), [returnPath])
    expect(await take()).toMatchObject([{ kind: 'deferred', class: 'mailbox_full' }])
    expect(await aside()).toEqual([])
  })

  it.each(['auth-failure', 'not-spam'])('no complaint where it is %s', async (type) => {
    const { token } = await sent()
    await add(arf({ type, headers: { 'X-Sluice-Token': token } }))
    expect(await take()).toEqual([])
  })

  it('an unsubscribe where somebody opts out', async () => {
    const { message_id } = await sent()
    const envelope = { v: 1, at: Date.now(), client_ip: '', mail_from: '', rcpt_to: [] } as const
    await reports.add(
      { ...envelope, rcpt_to: [], unsubscribe: { message_id, recipient: 'anna@there.test' } },
      Buffer.alloc(0),
    )
    expect(await take()).toMatchObject([
      { kind: 'unsubscribed', message_id, identified_by: 'unsubscribe_link', tenant: 'acme', stream: 'news' },
    ])
  })

  it('rows of their own where it is a DMARC or a TLS report, however often it comes', async () => {
    const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
    const yesterday = Math.floor(Date.now() / 1000) - 86_400
    for (let n = 0; n < 2; n++) {
      await add(dmarc(yesterday))
      await add(tlsrpt(day))
    }
    expect(await take()).toEqual([])
    const rows = async (query: string) => (await client.query({ query, format: 'JSONEachRow' })).json()
    expect(
      await rows(
        'SELECT domain, source_ip, toUInt32(count) AS n, disposition, pass FROM dmarc_reports FINAL ORDER BY record',
      ),
    ).toEqual([
      { domain: 'here.test', source_ip: '192.0.2.1', n: 12, disposition: 'none', pass: true },
      { domain: 'here.test', source_ip: '192.0.2.2', n: 3, disposition: 'reject', pass: false },
    ])
    expect(await rows('SELECT domain, result_type, toUInt32(failure_sessions) AS n FROM tls_reports FINAL')).toEqual([
      { domain: 'here.test', result_type: 'certificate-expired', n: 10 },
    ])
  })

  it('nothing that anybody knows: then the original is kept, with the reason', async () => {
    await add('From: a friend <a@b.test>\r\nSubject: hello\r\n\r\nHow are you?\r\n')
    await add(dmarc(1_000_000_000))
    await add(
      `Subject: x\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n${'--a\r\n\r\nx\r\n'.repeat(2000)}--a--\r\n`,
    )
    expect(await take()).toEqual([])
    expect((await aside()).toSorted()).toEqual([
      expect.stringMatching(/^SLUICE_REPORT_CONTENT: a report about 2001-/),
      expect.stringMatching(/^SLUICE_REPORT_LIMIT: /),
      'ordinary mail',
    ])
  })
})

describe('a report counts once', () => {
  const ingest = async (): Promise<number> => {
    const one: Ingest = startIngest({ client, folder: spool, log: silent, pollMs: 20 })
    await one.drained()
    await one.stop()
    const answer = await client.query({
      query: "SELECT toUInt32(count()) AS n FROM outcomes WHERE kind = 'oob_bounced'",
      format: 'JSONEachRow',
    })
    return (await answer.json<{ n: number }>())[0]?.n ?? -1
  }

  it('delivered twice, in one batch, in two, or long after', async () => {
    const { returnPath } = await sent()
    const message = dsn()
    await add(`Received: from one\r\n${message}`, [returnPath])
    await add(`Received: from two\r\n${message}`, [returnPath])
    const one = intake()
    await one.round()
    await add(dsn({ diagnostic: '550 said again in other words' }), [returnPath])
    await one.round()
    expect(await ingest()).toBe(1)
    await add(message, [returnPath])
    await take()
    expect(await ingest()).toBe(1)
  })

  it('and is not kept out by a lie that came before it', async () => {
    const { returnPath, message_id } = await sent()
    await add(dsn({ headers: { 'Message-ID': `<${message_id}@here.test>` } }))
    const one = intake()
    await one.round()
    await ingest()
    await add(dsn(), [returnPath])
    await one.round()
    expect(await readSpool(spool)).toMatchObject([{ message_id, identified_by: 'return_path' }])
  })

  it.each(['before', 'after'] as const)('interrupted %s its outcomes were ingested', async (when) => {
    const { returnPath } = await sent()
    for (let n = 0; n < 3; n++) await add(dsn({ recipient: `user${n}@there.test`, headers: { n: String(n) } }))
    await add(dsn(), [returnPath])
    const broken = new ReportFolder(path.join(folder, 'reports'), 'host')
    broken.finish = () => Promise.reject(new Error('killed'))
    const one = intake({ reports: broken })
    await one.round()
    expect(one.fault).toBe('killed')
    if (when === 'after') expect(await ingest()).toBe(4)
    await take()
    expect(await ingest()).toBe(4)
    expect(await readdir(path.join(folder, 'reports/taken'))).toEqual([])
  })

  it('and waits for a message that is not in ClickHouse yet, without holding up others', async () => {
    const message_id = uuid7(Date.now())
    const returnPath = signReturnPath(keys, 'bounce.test', { message_id, recipient: 'anna@there.test' })
    await add(dsn(), [returnPath])
    await add(dsn({ recipient: 'x@y.test' }))
    let now = Date.now()
    const one = intake({ now: () => now })
    await one.round()
    expect((await readSpool(spool)).map(({ recipient }) => recipient)).toEqual(['x@y.test'])
    await insertOutcomes(client, [
      outcome({ kind: 'accepted', message_id, recipient: 'anna@there.test', stream: 'news' }),
    ])
    await one.round()
    expect(await readSpool(spool)).toHaveLength(1)
    now += 3000
    await one.round()
    expect(await readSpool(spool)).toContainEqual(
      expect.objectContaining({ message_id, stream: 'news', identified_by: 'return_path' }),
    )
  })

  it('and is told without its message where that never comes', async () => {
    const message_id = uuid7(Date.now() - 3_600_000)
    await add(dsn(), [signReturnPath(keys, 'bounce.test', { message_id, recipient: 'anna@there.test' })])
    expect(await take()).toMatchObject([{ message_id, recipient: 'anna@there.test', identified_by: 'return_path' }])
  })
})
