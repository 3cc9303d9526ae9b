// The feedback loop over HTTP: reports, one-click unsubscribe, the suppression list.

import { readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { signReturnPath } from '@sluice/core/identity/return-path'
import type { Keyring } from '@sluice/core/identity/token'
import { unsubscribeLink } from '@sluice/core/identity/unsubscribe-link'
import { segmentName } from '@sluice/core/spool/segment'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { uuid7 } from 'haraka-plugin-sluice-host'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { dsn } from '../../harness/reports'
import { eventually } from '../engine/running'
import { outcome } from '../score/outcomes'
import { because, Running, type Answer } from './running'

const secret = 'a secret of at least sixteen bytes'
const keys: Keyring = [{ id: 1, secret: Buffer.from(secret) }]
const feedback = `
keys: [{ id: 1, secret: { env: TEST_FEEDBACK_KEY } }]
return_path: { domain: bounce.test }
unsubscribe: { url: https://here.test/unsubscribe, streams: [news], max_age_days: 30 }
`
const hour = 3_600_000

let redis: RedisServer
let running: Running

beforeAll(async () => {
  process.env['TEST_FEEDBACK_KEY'] = secret
  redis = await startRedis()
  running = await Running.start({ redisUrl: redis.url, feedback })
})
afterAll(async () => {
  await running.end()
  await redis.stop()
})

interface Listed {
  suppressions: { address: string; scope: string; reason: string; evidence: string; author: string; note: string }[]
  next?: string
}
const listed = async (address: string): Promise<Listed['suppressions']> =>
  (await running.ask(`/v1/suppressions?address=${encodeURIComponent(address)}`)).json<Listed>().suppressions
/** A message delivered an hour ago, by way of the spool. */
const sent = async (recipient: string): Promise<string> => {
  const at = Date.now() - hour
  const message_id = uuid7(at)
  const name = segmentName({ host: 'test', worker: '1', started: Date.now(), sequence: sequence++, sealed: true })
  const record = outcome({ at, message_id, recipient, tenant: 'acme', stream: 'news' })
  await writeFile(path.join(running.folder, 'spool', name), `${JSON.stringify(record)}\n`)
  await eventually(async () => (await running.ask(`/v1/messages/${message_id}`)).status === 200)
  return message_id
}
let sequence = 0
const raw = (route: string, body: string, type: string, token?: string): Promise<Answer> =>
  running.ask(route, { method: 'POST', body, headers: { 'content-type': type }, ...(token !== undefined && { token }) })

describe('POST /v1/reports', () => {
  it('takes a message, and its outcome suppresses with evidence that can be looked up', async () => {
    const message_id = await sent('gone@there.test')
    const rcpt = signReturnPath(keys, 'bounce.test', { message_id, recipient: 'gone@there.test' })
    const answer = await raw(`/v1/reports?rcpt_to=${rcpt}`, dsn({ recipient: 'gone@there.test' }), 'message/rfc822')
    expect(answer.status).toBe(202)
    expect(answer.json<{ report: string }>().report).toMatch(/\.report$/)
    await eventually(async () => (await listed('Gone@There.test')).length > 0)
    const [entry] = await listed('gone@there.test')
    expect(entry).toMatchObject({ scope: 'global', reason: 'hard_bounce', author: 'sluice' })
    const evidence = (await running.ask(`/v1/messages/${message_id}`)).json<{
      outcomes: { id: string; kind: string }[]
    }>()
    expect(evidence.outcomes.find(({ id }) => id === entry?.evidence)?.kind).toBe('oob_bounced')
  })

  it('refuses what is too large, and what is no message', async () => {
    const large = await raw('/v1/reports', 'x'.repeat(11 * 1024 * 1024), 'message/rfc822')
    expect(large.problem().code).toBe('SLUICE_HTTP_TOO_LARGE')
    expect((await raw('/v1/reports', '{}', 'application/json')).problem().code).toBe('SLUICE_HTTP_BODY')
    expect((await raw('/v1/reports', 'x', 'message/rfc822', '')).status).toBe(401)
  })
})

describe('one-click unsubscribe', () => {
  const linkFor = (message_id: string, recipient: string, signers = keys): string =>
    unsubscribeLink(signers, '/v1/unsubscribe', message_id, recipient)
  const oneClick = (link: string) => raw(link, 'List-Unsubscribe=One-Click', 'application/x-www-form-urlencoded', '')

  it('GET asks and does nothing; POST unsubscribes from the stream of the tenant', async () => {
    const link = linkFor(await sent('reader@there.test'), 'reader@there.test')
    const page = await running.ask(link, { token: '' })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(page.text).toContain('<form method="post">')
    expect(page.text).toContain('reader@there.test')
    expect(page.text).not.toContain('<script')
    expect(await readdir(path.join(running.folder, 'reports')).catch(() => [])).not.toContainEqual(
      expect.stringMatching(/\.report$/),
    )
    for (let n = 0; n < 3; n++) expect((await oneClick(link)).status).toBe(200)
    await eventually(async () => (await listed('reader@there.test')).length > 0)
    expect(await listed('reader@there.test')).toMatchObject([{ scope: 'stream:acme/news', reason: 'unsubscribe' }])
    const { outcomes } = (await running.ask('/v1/outcomes?kind=unsubscribed&recipient=reader@there.test')).json<{
      outcomes: unknown[]
    }>()
    expect(outcomes).toHaveLength(1)
  })

  it('is refused where the link is forged, changed, or too old', async () => {
    const message_id = uuid7(Date.now() - hour)
    const forged = linkFor(message_id, 'a@b.test', [{ id: 1, secret: Buffer.from('another secret of bytes') }])
    expect((await oneClick(forged)).status).toBe(404)
    expect((await oneClick(`/v1/unsubscribe/${'a'.repeat(47)}.aaaa`)).status).toBe(404)
    const other = linkFor(message_id, 'a@b.test').split('.')[0] ?? ''
    expect((await oneClick(`${other}.${Buffer.from('victim@b.test').toString('base64url')}`)).status).toBe(404)
    expect((await oneClick(linkFor(uuid7(Date.now() - 31 * 24 * hour), 'a@b.test'))).status).toBe(410)
    expect((await running.ask('/v1/unsubscribe/<script>', { token: '' })).text).not.toContain('<script')
  })

  it('has a limit of its own', async () => {
    const link = linkFor(uuid7(Date.now()), 'a@b.test')
    const statuses: number[] = []
    for (let n = 0; n < 25; n++) statuses.push((await running.ask(link, { token: '' })).status)
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(200))
    expect(statuses.at(-1)).toBe(429)
  })
})

describe('the suppression list', () => {
  it('is added to and released by operators, who are named, in Redis, in ClickHouse and in the audit', async () => {
    const body = { address: 'Anna@There.test', scope: 'tenant:acme', ...because }
    const made = await running.post('/v1/suppressions', { ...body, expires_in_s: 3600 })
    expect(made.status).toBe(201)
    expect(await listed('anna@there.test')).toMatchObject([{ scope: 'tenant:acme', reason: 'operator' }])
    await eventually(async () => (await listed('anna@there.test'))[0]?.author === 'anna')
    const wrong = await running.ask('/v1/suppressions', { method: 'DELETE', body: { ...body, scope: 'global' } })
    expect(wrong.problem().code).toBe('SLUICE_HTTP_NOT_FOUND')
    expect((await running.ask('/v1/suppressions', { method: 'DELETE', body })).status).toBe(200)
    expect(await listed('anna@there.test')).toEqual([])
    const { entries } = (await running.ask('/v1/audit?author=anna')).json<{
      entries: { action: string; details: { address?: string } }[]
    }>()
    expect(entries.filter(({ details }) => details.address === 'anna@there.test').map(({ action }) => action)).toEqual(
      expect.arrayContaining(['suppress', 'release']),
    )
  })

  it('is imported and exported as CSV, and what was exported can be imported', async () => {
    const lines = ['email,scope,reason,since,until,note']
    for (let n = 0; n < 6000; n++) lines.push(`user${n}@list.test,,hard_bounce,2026-01-02T03:04:00Z,,"old, list"`)
    lines.push('nonsense,,,,,', 'a@b.test,planet:earth,,,,', 'a@b.test,,alien,,,', 'a@b.test,,,yesterday,,')
    lines.push(
      '"Quoted ""Name"""@list.test',
      'late@list.test,stream:acme/news,unsubscribe,2026-01-02T03:04:00Z,2999-01-01T00:00:00Z,',
    )
    const imported = await raw('/v1/suppressions/import?author=anna&reason=moving', lines.join('\r\n'), 'text/csv')
    expect(imported.json()).toMatchObject({ read: 6006, listed: 6001, refused: 5 })
    expect(imported.json<{ complaints: { line: number; says: string }[] }>().complaints[0]).toEqual({
      line: 6002,
      says: 'not an address: nonsense',
    })
    expect(await listed('user77@list.test')).toMatchObject([
      { reason: 'hard_bounce', author: 'anna', note: 'old, list' },
    ])
    const exported = await running.ask('/v1/suppressions.csv')
    expect(exported.headers.get('content-type')).toContain('text/csv')
    const rows = exported.text.split('\r\n').filter((line) => line.includes('@list.test'))
    expect(rows).toHaveLength(6001)
    expect(rows).toContain('user77@list.test,global,hard_bounce,2026-01-02T03:04:00.000Z,,,anna,"old, list"')
    const again = await raw('/v1/suppressions/import?author=anna&reason=again', exported.text, 'text/csv')
    expect(again.json()).toMatchObject({ refused: 0 })
    const plain = await raw(
      '/v1/suppressions/import?author=anna&reason=x&scope=tenant:t',
      'one@p.test\ntwo@p.test',
      'text/csv',
    )
    expect(plain.json()).toMatchObject({ read: 2, listed: 2 })
    expect(await listed('two@p.test')).toMatchObject([{ scope: 'tenant:t', reason: 'operator', note: 'x' }])
  })

  it('is listed page by page', async () => {
    const seen: string[] = []
    let next: string | undefined
    do {
      const query: string = next === undefined ? '' : `&after=${next}`
      const page = (await running.ask(`/v1/suppressions?limit=2500&reason=hard_bounce${query}`)).json<Listed>()
      seen.push(...page.suppressions.map(({ address }) => address))
      next = page.next
    } while (next !== undefined)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.filter((address) => address.endsWith('@list.test'))).toHaveLength(6000)
    expect((await running.ask('/v1/suppressions?after=nonsense')).problem().code).toBe('SLUICE_HTTP_QUERY')
  })

  it('is open to SQL, with its evidence and the reports of others', async () => {
    for (const table of ['suppressions', 'evidence', 'dmarc_reports', 'tls_reports']) {
      const answer = await running.post('/v1/sql', { sql: `SELECT count() FROM ${table}` })
      expect([table, answer.status]).toEqual([table, 200])
    }
  })

  it('says so when Redis is away', async () => {
    redis.pause()
    const answer = await running.post('/v1/suppressions', { address: 'x@y.test', ...because })
    expect(answer.problem().code).toBe('SLUICE_REDIS_AWAY')
    redis.resume()
    await eventually(async () => (await running.ask('/v1/suppressions?address=x@y.test')).status === 200)
    expect(await listed('x@y.test')).toEqual([])
  })
})
