// The loop closed, with real parts on both sides: mail out with a signed return path, a report mailed back, outcome,
// suppression, and the next mail refused. Haraka, sidecar, engine, Redis; the receiver is a scripted one.

import path from 'node:path'

import { Child } from '@sluice/run/child'
import { readyLine } from '@sluice/run/ready'
import { readToken } from '@sluice/sidecar/http/tokens'
import { expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'

import { FakeReceiver, type Accepted } from '../harness/fake-receiver'
import { arf, dsn } from '../harness/reports'
import { startSluice } from '../harness/sluice'
import { submit } from '../harness/submit'
import { Talk } from '../integration/lab/talk'

const internet = `
providers:
  one: { domains: [one.test], mx: [{ host: mx.one.test, address: 127.34.1.1 }] }
`
const egress = `
sources: { a: { ip: 127.34.9.1, ehlo: a.sender.test } }
pools: { main: { a: 1 } }
streams: { news: { pool: main }, receipts: { pool: main } }
default_stream: news
`
const feedback = `
keys: [{ id: 1, secret: { env: FEEDBACK_KEY } }]
return_path: { domain: bounce.test }
addresses: { complaint: [fbl@here.test] }
unsubscribe: { url: https://here.test/u, streams: [news] }
`
/** Only this host's own programs may relay; receivers report from elsewhere. */
const relayPlugin = `
exports.hook_connect_init = (next, connection) => { connection.relaying = connection.remote.ip === '127.0.0.1'; next() }
`
const env = { FEEDBACK_KEY: 'a secret of at least sixteen bytes' }

const start = async () => {
  const receiver = await FakeReceiver.listen(
    { rcpt: (address) => (address.startsWith('nobody') ? '550 5.1.1 no such user here' : undefined) },
    '127.34.1.1',
  )
  onTestFinished(() => receiver.close())
  const stack = await startSluice({
    internet,
    egress,
    port25: receiver.port,
    env,
    plugins: ['sluice-feedback'],
    localPlugins: { 'harness-relay': relayPlugin },
    config: { 'feedback.yaml': feedback, 'sidecar.yaml': 'http: { port: 0 }\n' },
  })
  const { haraka, redis } = stack
  const sidecar = await Child.spawn({
    name: 'sidecar',
    command: process.execPath,
    args: [path.resolve(__dirname, '../../sidecar/dist/main.js'), '--config', haraka.folder],
    env: { ...process.env, ...env, REDIS_URL: redis.url },
  })
  onTestFinished(async () => {
    await sidecar.stop()
  })
  const ready = await sidecar.until(
    readyLine(z.object({ http: z.string(), tokens: z.string() })),
    'to be ready',
    30_000,
  )
  const token = await readToken(ready.tokens, 'admin')
  const api = (route: string, init: Omit<RequestInit, 'headers'> = {}): Promise<Response> =>
    fetch(ready.http + route, { ...init, headers: { authorization: `Bearer ${token}` } })
  /** The message as the receiver got it. */
  const deliver = async (to: string, headers: Record<string, string> = {}): Promise<Accepted> => {
    await submit(haraka.port, { to, headers })
    return vi.waitFor(
      () => {
        const found = receiver.accepted.find(({ recipients }) => recipients.includes(to))
        if (!found) throw new Error(`${to} has not got anything`)
        return found
      },
      { timeout: 15_000, interval: 20 },
    )
  }
  /** As a receiving system mails it. */
  const mailBack = async (to: string, report: string): Promise<string> => {
    const talk = await Talk.hello('127.0.0.1', haraka.port, '127.0.0.9')
    const reply = await talk.send([to], report.replace(/^\./gm, '..'), '')
    await talk.quit()
    return reply
  }
  const suppressed = async (address: string) => {
    const answer = await api(`/v1/suppressions?address=${address}`)
    const { suppressions } = (await answer.json()) as {
      suppressions: { reason: string; scope: string; evidence: string }[]
    }
    return suppressions
  }
  const suppressedBy = (address: string, reason: string) =>
    vi.waitFor(
      async () => {
        const [entry] = await suppressed(address)
        expect(entry?.reason).toBe(reason)
        return entry
      },
      { timeout: 20_000, interval: 100 },
    )
  return { ...stack, api, deliver, mailBack, suppressed, suppressedBy }
}

const headerOf = ({ content }: Accepted, name: string): string =>
  new RegExp(`^${name}: (.*)\r$`, 'im').exec(content)?.[1] ?? ''

test('what comes back decides who gets mail next', async () => {
  const { haraka, api, deliver, mailBack, suppressed, suppressedBy, recorded } = await start()

  // A bounce that comes after the mail was taken.
  const message = await deliver('gone@one.test')
  expect(message.from).toMatch(/^b-[a-z2-7]{47}@bounce\.test$/)
  const forged = message.from.replace(/.@/, (end) => (end === 'a@' ? 'b@' : 'a@'))
  expect(await mailBack(forged, dsn({ recipient: 'gone@one.test' }))).toMatch(/^550/)
  expect(await mailBack(message.from, dsn({ recipient: 'gone@one.test' }))).toMatch(/^250/)
  const entry = await suppressedBy('gone@one.test', 'hard_bounce')
  await expect(submit(haraka.port, { to: 'gone@one.test' })).rejects.toThrow(/550 5\.7\.1 .*suppressed: hard_bounce/)
  const [refused] = await recorded('suppressed', 1)
  expect(refused).toMatchObject({ recipient: 'gone@one.test', phase: 'rcpt' })
  const outcomes = await api(`/v1/outcomes?kind=oob_bounced&recipient=gone@one.test`)
  expect(await outcomes.json()).toMatchObject({
    outcomes: [{ id: entry?.evidence, class: 'invalid_recipient', stream: 'news', source: 'a', provider: 'one.test' }],
  })

  // A refusal in the SMTP dialogue.
  await submit(haraka.port, { to: 'nobody@one.test' })
  await suppressedBy('nobody@one.test', 'hard_bounce')
  await expect(submit(haraka.port, { to: 'nobody@one.test' })).rejects.toThrow(/suppressed: hard_bounce/)

  // A complaint that hides who complained: the token in the header of the original says it.
  const disliked = await deliver('annoyed@one.test')
  const complaint = arf({ headers: { 'X-Sluice-Token': headerOf(disliked, 'X-Sluice-Token') }, to: 'undisclosed' })
  expect(await mailBack('fbl@here.test', complaint)).toMatch(/^250/)
  expect(await suppressedBy('annoyed@one.test', 'complaint')).toMatchObject({ scope: 'stream:news' })
  await expect(submit(haraka.port, { to: 'annoyed@one.test' })).rejects.toThrow(/suppressed: complaint/)
  expect(await submit(haraka.port, { to: 'annoyed@one.test', headers: { 'X-Sluice-Stream': 'receipts' } })).toMatch(
    /^250/,
  )

  // One click in the mail program.
  const unwanted = await deliver('bored@one.test')
  const [, link = ''] = /<https:\/\/here\.test\/u\/([^>]+)>/.exec(headerOf(unwanted, 'List-Unsubscribe')) ?? []
  await api(`/v1/unsubscribe/${link}`)
  expect(await suppressed('bored@one.test')).toEqual([])
  const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })
  expect((await api(`/v1/unsubscribe/${link}`, { method: 'POST', body })).status).toBe(200)
  await suppressedBy('bored@one.test', 'unsubscribe')
  await expect(submit(haraka.port, { to: 'bored@one.test' })).rejects.toThrow(/suppressed: unsubscribe/)

  // A lie.
  expect(await mailBack('fbl@here.test', arf({ fields: ['Original-Rcpt-To: anna@one.test'] }))).toMatch(/^250/)
  await vi.waitFor(async () => {
    const answer = await api('/v1/outcomes?kind=complained&recipient=anna@one.test')
    expect(await answer.json()).toMatchObject({ outcomes: [{ identified_by: 'address' }] })
  }, 20_000)
  await deliver('anna@one.test')
})
