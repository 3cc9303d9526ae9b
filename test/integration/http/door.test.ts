// What stands between a request and a handler: tokens, scopes, paths, bodies.
import { createHash } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startRedis, type RedisServer } from '@sluice/run/redis'
import { silent } from '@sluice/sidecar/log'

import { because, Running, type Answer } from './running'

let redis: RedisServer
let running: Running
const said: string[] = []
const log = { ...silent, error: (_fields: object, message: string) => void said.push(message) }

beforeAll(async () => {
  redis = await startRedis()
  running = await Running.start({ redisUrl: redis.url, clickhouseUrl: 'http://127.0.0.1:9', log })
})
afterAll(async () => {
  await running.end()
  await redis.stop()
})

const refused = async (answer: Promise<Answer>) => {
  const { status, problem } = await answer
  return [status, problem().code]
}

describe('the token file', () => {
  it('is made at first start, for the owner only', async () => {
    expect((await stat(running.sidecar.tokenFile)).mode & 0o777).toBe(0o600)
  })

  it('is taken up when it changes, with hashed tokens and scopes; a bad one changes nothing', async () => {
    const first = await readFile(running.sidecar.tokenFile, 'utf8')
    const sha256 = createHash('sha256').update('reader-token-0123456789').digest('hex')
    await writeFile(running.sidecar.tokenFile, `${first}  - { name: reader, sha256: ${sha256}, scopes: [read] }\n`)
    const read = () => running.ask('/v1/pools', { token: 'reader-token-0123456789' })
    await expect.poll(async () => (await read()).status, { timeout: 5000 }).toBe(200)
    const steer = running.post('/v1/overrides', { source: 'a', weight: 0, ...because }, 'reader-token-0123456789')
    expect(await refused(steer)).toEqual([403, 'SLUICE_HTTP_FORBIDDEN'])

    await writeFile(running.sidecar.tokenFile, 'tokens: nonsense\n')
    const refusedFile = async (): Promise<boolean> => {
      expect((await read()).status).toBe(200)
      return said.some((line) => line.startsWith('token file refused'))
    }
    await expect.poll(refusedFile, { timeout: 5000 }).toBe(true)
    expect((await read()).status).toBe(200)
    await writeFile(running.sidecar.tokenFile, first)
    await expect.poll(async () => (await read()).status, { timeout: 5000 }).toBe(401)
    await chmod(running.sidecar.tokenFile, 0o600)
  })
})

describe('a request', () => {
  it.each([
    ['no token', ''],
    ['a wrong token', 'slc_wrong'],
    ['another token of the same length', `slc_${'x'.repeat(43)}`],
  ])('with %s is answered 401 on every route that is not public', async (_what, token) => {
    const paths = (await running.ask('/v1/openapi.json')).json<{
      paths: Record<string, Record<string, { security: unknown[] }>>
    }>().paths
    const open: string[] = []
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, { security }] of Object.entries(operations)) {
        const answer = await running.ask(path.replace(/\{\w+\}/g, 'x'), { method: method.toUpperCase(), token })
        if (security.length === 0) open.push(path)
        else expect([path, answer.status, answer.problem().code]).toEqual([path, 401, 'SLUICE_HTTP_UNAUTHORIZED'])
      }
    }
    expect([...new Set(open)].sort()).toEqual(['/v1/health', '/v1/openapi.json', '/v1/ready', '/v1/unsubscribe/{link}'])
  })

  it('is refused before its body is read', async () => {
    const answer = await running.ask('/v1/overrides', { method: 'POST', token: '', body: '{not json' })
    expect(answer.problem().code).toBe('SLUICE_HTTP_UNAUTHORIZED')
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  })

  it('whose body was not read ends its connection, and says so: the next request goes by another', async () => {
    for (let n = 0; n < 100; n++) {
      const answer = await running.ask('/v1/overrides', { method: 'POST', token: '', body: '{not json' })
      expect([answer.status, answer.headers.get('connection')]).toEqual([401, 'close'])
      expect((await running.ask('/v1/health')).headers.get('connection')).toBe('keep-alive')
    }
  })

  it.each([
    ['broken JSON', '{', {}, 400, 'SLUICE_HTTP_BODY'],
    ['a body that is no object', '[1]', {}, 400, 'SLUICE_HTTP_BODY'],
    ['no JSON by its type', 'source=a', { 'content-type': 'text/plain' }, 400, 'SLUICE_HTTP_BODY'],
    ['a packed body', 'xx', { 'content-encoding': 'gzip' }, 400, 'SLUICE_HTTP_BODY'],
    ['too large a body', JSON.stringify({ reason: 'x'.repeat(300 * 1024) }), {}, 413, 'SLUICE_HTTP_TOO_LARGE'],
    [
      'a key of the prototype',
      '{"__proto__":{"source":"a"},"weight":0,"author":"a","reason":"r"}',
      {},
      400,
      'SLUICE_HTTP_BODY',
    ],
  ])('with %s is a coded error', async (_what, body, headers, status, code) => {
    const answer = await running.ask('/v1/overrides', { method: 'POST', body, headers })
    expect([answer.status, answer.problem().code]).toEqual([status, code])
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d+/)
  })

  it('to an unknown path or by another method is a coded error', async () => {
    expect(await refused(running.ask('/v1/nothing'))).toEqual([404, 'SLUICE_HTTP_NOT_FOUND'])
    expect(await refused(running.ask('/'))).toEqual([404, 'SLUICE_HTTP_NOT_FOUND'])
    expect(await refused(running.ask('/v1/pools', { method: 'POST', body: {} }))).toEqual([405, 'SLUICE_HTTP_METHOD'])
    expect(await refused(running.ask('/v1/overrides/%E0%A4%A', { method: 'DELETE', body: because }))).toEqual([
      400,
      'SLUICE_HTTP_QUERY',
    ])
  })

  it.each([
    '/v1/weights?pol=main',
    '/v1/outcomes?limit=x',
    '/v1/outcomes?since=yesterday',
    '/v1/scores?limit=0',
    '/v1/weights?pool=a&pool=b',
  ])('with a bad query parameter is a coded error: %s', async (path) => {
    expect(await refused(running.ask(path))).toEqual([400, 'SLUICE_HTTP_QUERY'])
  })

  it('is answered with its id, and never cached', async () => {
    const answer = await running.ask('/v1/health', { headers: { 'x-request-id': 'abc-1' } })
    expect(answer.headers.get('x-request-id')).toBe('abc-1')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const odd = await running.ask('/v1/health', { headers: { 'x-request-id': 'no spaces please' } })
    expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('the description', () => {
  it('is OpenAPI 3.1 with every operation, its errors and its schemas', async () => {
    const { openapi, paths, components } = (await running.ask('/v1/openapi.json')).json<{
      openapi: string
      paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>
      components: { schemas: Record<string, unknown> }
    }>()
    expect(openapi).toBe('3.1.0')
    const operations = Object.values(paths).flatMap((methods) => Object.values(methods))
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    for (const { responses } of operations) expect(responses).toHaveProperty('default')
    expect(Object.keys(components.schemas)).toEqual(expect.arrayContaining(['Problem', 'Override', 'Outcome', 'Score']))
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['/v1/pools', '/v1/weights', '/v1/sql', '/v1/sources/{id}/suspend', '/v1/messages/{id}']),
    )
  })
})
