// Ten thousand forged bounces and complaints suppress nobody: with real parts from the report spool to Redis.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { readFeedback, type FeedbackConfig } from '@sluice/core/config/feedback'
import { signHeaderToken } from '@sluice/core/identity/header-token'
import { signReturnPath } from '@sluice/core/identity/return-path'
import { signToken, type Keyring } from '@sluice/core/identity/token'
import { unsubscribeLink } from '@sluice/core/identity/unsubscribe-link'
import { redisKeys } from '@sluice/core/redis/keys'
import { envelopeLine, reportFileName, type ReportEnvelope } from '@sluice/core/spool/report-file'
import { startRedis } from '@sluice/run/redis'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { FeedbackIntake } from '@sluice/sidecar/feedback/intake'
import { ReportFolder } from '@sluice/sidecar/feedback/report-folder'
import { startIngest } from '@sluice/sidecar/ingest/ingester'
import { silent } from '@sluice/sidecar/log'
import { Keeper } from '@sluice/sidecar/suppression/keeper'
import { page } from '@sluice/sidecar/suppression/ledger'
import { SuppressionStore } from '@sluice/sidecar/suppression/store'
import { uuid7 } from 'haraka-plugin-sluice-host'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'

import { arf, dsn } from '../../harness/reports'
import { shippedRules } from '../../unit/bounce/rules'
import { runEngine } from '../engine/running'
import { insertOutcomes, outcome } from '../score/outcomes'

const forged = 10_000
const together = 100
const day = 86_400_000
const keys: Keyring = [{ id: 3, secret: Buffer.from('a secret of sixteen bytes') }]
const wrongKeys: Keyring = [{ id: 3, secret: Buffer.from('a guess of sixteen bytes!') }]
const config = readFeedback(
  'feedback.yaml',
  `
keys: [{ id: 3, secret: { env: KEY } }]
return_path: { domain: bounce.test, max_age_days: 30 }
headers: { max_age_days: 30 }
unsubscribe: { url: https://here.test/u, streams: [news], max_age_days: 30 }
`,
) as FeedbackConfig

interface Message {
  readonly message_id: string
  readonly recipient: string
}

/** One of the ways to lie about a message, by number. */
const lie = (n: number, victim: Message, old: Message): { text: string; rcpt_to?: string } => {
  const { message_id, recipient } = victim
  const say = (headers: Record<string, string>): string =>
    n % 2 === 0
      ? dsn({ recipient, headers, to: recipient })
      : arf({ headers, fields: [`Original-Rcpt-To: ${recipient}`] })
  const flip = (token: string): string => {
    const at = n % token.length
    return `${token.slice(0, at)}${token[at] === 'a' ? 'b' : 'a'}${token.slice(at + 1)}`
  }
  const ways: (() => { text: string; rcpt_to?: string })[] = [
    () => ({ text: say({}) }),
    () => ({ text: say({ 'Message-ID': `<${message_id}@here.test>` }) }),
    () => ({ text: say({ 'X-Sluice-Token': signHeaderToken(wrongKeys, victim) }) }),
    () => ({ text: say({ 'X-Sluice-Token': flip(signHeaderToken(keys, victim)) }) }),
    () => ({ text: say({ 'X-Sluice-Token': signToken(keys, 'return_path', victim) }) }),
    () => ({ text: say({ 'X-Sluice-Token': signHeaderToken(keys, old) }) }),
    () => ({ text: say({}), rcpt_to: signReturnPath(wrongKeys, 'bounce.test', victim) }),
    () => ({ text: say({ 'Return-Path': `<${signReturnPath(keys, 'elsewhere.test', victim)}>` }) }),
    () => ({
      text: say({
        'List-Unsubscribe': `<${unsubscribeLink(wrongKeys, 'https://here.test/u', message_id, recipient)}>`,
      }),
    }),
  ]
  return (ways[n % ways.length] as (typeof ways)[number])()
}

test('ten thousand forged bounces and complaints suppress nobody', { timeout: 180_000 }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-forged-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const running = await runEngine()
  onTestFinished(() => running.end())
  const client = await openClickHouse({ engine: running.engine })
  onTestFinished(() => client.close())
  const redisServer = await startRedis()
  onTestFinished(() => redisServer.stop())
  const redis = new Redis(redisServer.url)
  onTestFinished(() => redis.disconnect())

  const messages = Array.from({ length: 100 }, (_, n): Message => {
    return { message_id: uuid7(Date.now() - 3_600_000), recipient: `victim${n}@there.test` }
  })
  const spool = path.join(folder, 'spool')
  const reports = new ReportFolder(path.join(folder, 'reports'), 'host')
  await mkdir(spool)
  await reports.prepare()
  await insertOutcomes(
    client,
    messages.map((one) =>
      outcome({ ...one, at: Date.now() - 3_600_000, header_message_id: `${one.message_id}@here.test` }),
    ),
  )
  // As the plugin writes them, but without waiting ten thousand times for the disk.
  let sequence = 0
  const add = (text: string, rcpt_to: string): Promise<void> => {
    const envelope: ReportEnvelope = { v: 1, at: Date.now(), client_ip: '', mail_from: '', rcpt_to: [rcpt_to] }
    const name = reportFileName(envelope.at, 'host', 'forger', sequence++)
    return writeFile(path.join(reports.folder, name), envelopeLine(envelope) + text)
  }
  const forge = async (n: number): Promise<void> => {
    const victim = messages[n % messages.length] as Message
    const old = { ...victim, message_id: uuid7(Date.now() - 31 * day) }
    const { text, rcpt_to = 'bounces@here.test' } = lie(n, victim, old)
    await add(text, rcpt_to)
  }
  for (let n = 0; n < forged; n += together) {
    await Promise.all(Array.from({ length: together }, (_, k) => forge(n + k)))
  }

  const store = new SuppressionStore(redis, redisKeys())
  const keeper = new Keeper({ client: () => client, store, leading: () => true, config: () => config, log: silent })
  const intake = new FeedbackIntake({
    reports,
    spool,
    client: () => client,
    parts: () => ({ config, keys, rules: shippedRules(), discretion: { mode: 'plain' } }),
    log: silent,
  })
  const work = async (): Promise<void> => {
    await intake.round()
    const ingest = startIngest({ client, folder: spool, log: silent, pollMs: 20 })
    await ingest.drained()
    await ingest.stop()
    await keeper.round()
    expect([intake.fault, keeper.fault]).toEqual(['', ''])
  }
  await work()
  expect((await reports.waiting(1)).total).toBe(0)
  const answer = await client.query({
    query: "SELECT toUInt32(count()) AS n FROM outcomes WHERE identified_by IN ('address', 'message_id')",
    format: 'JSONEachRow',
  })
  expect(await answer.json()).toEqual([{ n: forged }])
  expect(await page(client, { limit: 10 })).toEqual([])
  for (const { recipient } of messages) expect(await store.of(recipient)).toEqual([])

  // Who has got a message can report for himself, and for nobody else.
  const attacker = messages[7] as Message
  for (const { recipient } of messages) {
    await add(dsn({ recipient, headers: { 'X-Sluice-Token': signHeaderToken(keys, attacker) } }), 'bounces@here.test')
  }
  await work()
  expect((await page(client, { limit: 10 })).map(({ address }) => address)).toEqual([attacker.recipient])
})
