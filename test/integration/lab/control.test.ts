// Control over HTTP: the truth is read, clients are blocked, behaviours change while mail flows, errors are coded.

import type { Lab } from '@sluice/lab/lab'
import { expect, test } from 'vitest'

import { first, labOf, oneProvider } from './small'
import { Talk } from './talk'

const call = async (lab: Lab, route: string, body?: unknown): Promise<{ status: number; json: unknown }> => {
  const [method = '', path = ''] = route.split(' ')
  const response = await fetch(lab.control + path, {
    method,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, json: await response.json() }
}

test('summary, connections, events and health say what happened', async () => {
  const lab = await labOf(oneProvider('behaviour: { unknown_users: { pattern: "^no" } }'))
  const talk = await Talk.hello(first, lab.port)
  await talk.send(['a@one.test', 'no@one.test', 'b@one.test'])
  const common = { unit: 'recipient', provider: 'one', client_ip: '127.0.0.1' }
  await expect(call(lab, 'GET /truth/summary')).resolves.toEqual({
    status: 200,
    json: {
      rows: [
        { ...common, verdict: 'bounced', stage: 'rcpt', code: 550, by: 'unknown_users', count: 1 },
        { ...common, verdict: 'delivered', stage: 'dot', code: 250, by: '', count: 2 },
      ],
    },
  })
  expect((await call(lab, 'GET /connections')).json).toMatchObject({ rows: [{ open: 1, high_water: 1, messages: 1 }] })
  expect((await call(lab, 'GET /health')).json).toEqual({ ok: true, providers: 1, newest: 4 })

  const page = await fetch(`${lab.control}/truth/events?after=1&limit=2`)
  expect([page.headers.get('content-type'), page.headers.get('x-last')]).toEqual(['application/x-ndjson', '3'])
  const lines = (await page.text()).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as { seq: number }).map(({ seq }) => seq)).toEqual([2, 3])

  await call(lab, 'POST /reset')
  expect((await call(lab, 'GET /truth/summary')).json).toEqual({ rows: [] })
  expect((await call(lab, 'GET /connections')).json).toMatchObject({ rows: [{ open: 1, high_water: 1, messages: 0 }] })
  await talk.quit()
})

test('a blocked client is refused, also on an open connection, until it is unblocked or the time is over', async () => {
  let now = 1_000_000
  const lab = await labOf(oneProvider(), { clock: () => now })
  const open = await Talk.hello(first, lab.port)
  const block = { provider: 'one', client_ip: '127.0.0.1', seconds: 60 }
  await expect(call(lab, 'POST /blocklist', block)).resolves.toEqual({
    status: 200,
    json: { provider: 'one', client_ip: '127.0.0.1', reason: 'control', since: 1_000_000, until: 1_060_000 },
  })
  expect((await call(lab, 'GET /blocklist')).json).toMatchObject({ entries: [{ client_ip: '127.0.0.1' }] })
  await expect(open.send(['a@one.test'])).resolves.toMatch(/^554 5\.7\.1/)
  const refused = Talk.to(first, lab.port)
  await expect(refused.reply()).resolves.toBe('554 5.7.1 Service unavailable; client [127.0.0.1] blocked')
  await refused.ended
  const other = await Talk.hello(first, lab.port, '127.0.0.2')
  await expect(other.send(['a@one.test'])).resolves.toMatch(/^250/)

  now += 60_000
  await expect(open.send(['a@one.test'])).resolves.toMatch(/^250/)
  await call(lab, 'POST /blocklist', { provider: 'one', client_ip: '127.0.0.0/8' })
  await expect(other.send(['a@one.test'])).resolves.toMatch(/^554/)
  await expect(call(lab, 'DELETE /blocklist?provider=one&client_ip=127.0.0.0/8')).resolves.toMatchObject({
    json: { removed: true },
  })
  await expect(other.send(['a@one.test'])).resolves.toMatch(/^250/)
  await Promise.all([open.quit(), other.quit()])
})

test('a behaviour can be changed while a client is connected, and reset puts it back', async () => {
  const lab = await labOf(oneProvider())
  const talk = await Talk.hello(first, lab.port)
  await expect(talk.send(['a@one.test'])).resolves.toMatch(/^250/)
  const answer = await call(lab, 'POST /behaviour', {
    provider: 'one',
    behaviour: { unknown_users: { pattern: '.', reply: '550 5.1.1 gone' } },
    service: { greeting: '220 changed' },
  })
  expect(answer.json).toMatchObject({ service: { greeting: '220 changed' } })
  await expect(talk.send(['a@one.test'])).resolves.toBe('550 5.1.1 gone')
  await talk.say('RSET')
  await call(lab, 'POST /reset')
  await expect(talk.send(['a@one.test'])).resolves.toMatch(/^250/)
  await talk.quit()
})

test.each([
  ['GET /nothing', undefined, 404, 'SLUICE_HTTP_NOT_FOUND'],
  ['GET /truth/events?after=-1', undefined, 400, 'SLUICE_HTTP_QUERY'],
  ['GET /truth/events?limit=x', undefined, 400, 'SLUICE_HTTP_QUERY'],
  ['POST /blocklist', '{', 400, 'SLUICE_HTTP_BODY'],
  ['POST /blocklist', undefined, 400, 'SLUICE_HTTP_BODY'],
  ['POST /blocklist', { provider: 'one', client_ip: 'x' }, 400, 'SLUICE_HTTP_BODY'],
  ['POST /blocklist', { provider: 'two', client_ip: '127.0.0.1' }, 404, 'SLUICE_HTTP_NOT_FOUND'],
  ['POST /behaviour', { provider: 'one', behaviour: { greylist: { seconds: -1 } } }, 400, 'SLUICE_HTTP_BODY'],
  ['POST /behaviour', { provider: 'one', colour: 'red' }, 400, 'SLUICE_HTTP_BODY'],
  ['POST /blocklist', 'x'.repeat(300_000), 413, 'SLUICE_HTTP_TOO_LARGE'],
])('%s %j is %d %s', async (route, body, status, code) => {
  const lab = await labOf(oneProvider())
  const answer = await call(lab, route, body)
  expect(answer).toMatchObject({ status, json: { error: { code } } })
})
