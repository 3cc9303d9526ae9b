// What people get wrong: configuration, request bodies, tokens, SQL. Each is refused with a code and a sentence, by the
// running whole, and changes nothing.

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'

import { ApiRefusal } from '@sluice/run/api'

import { labOf, startTestStack, type TestStack } from '../harness/stack'
import { submit } from '../harness/submit'

let one: TestStack
beforeAll(async () => {
  one = await startTestStack()
})
afterAll(() => one.end())

/** RFC 9457 with our code. */
const problemSchema = z.object({ code: z.string(), message: z.string().min(10) })

/** Status and code of a refusal. */
const refusal = async (asking: Promise<unknown>): Promise<[number, string]> => {
  const error: unknown = await asking.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ApiRefusal)) throw new Error(`not refused: ${String(error)}`)
  const { code } = problemSchema.parse(JSON.parse(error.answer))
  return [error.status, code]
}

const change = { author: 'test', reason: 'fault test' }

describe('what is wrong', () => {
  test('in a request body is refused, and no weight moves', async () => {
    const before = await one.api.weights()
    const post = (route: string, body: object) => refusal(one.api.ask('POST', route, body))
    expect(await post('/v1/overrides', { ...change, source: 'mk-1', weight: -1 })).toEqual([400, 'SLUICE_HTTP_BODY'])
    expect(await post('/v1/overrides', { ...change, source: 'nobody', weight: 1 })).toEqual([400, 'SLUICE_HTTP_BODY'])
    expect(await post('/v1/overrides', { source: 'mk-1', weight: 0 })).toEqual([400, 'SLUICE_HTTP_BODY'])
    expect(await post('/v1/overrides', { ...change, source: 'mk-1', weight: 0, color: 'red' })).toEqual([
      400,
      'SLUICE_HTTP_BODY',
    ])
    expect(await post('/v1/sources/nobody/suspend', change)).toEqual([404, 'SLUICE_HTTP_NOT_FOUND'])
    expect(await one.api.weights()).toEqual(before)
  })

  test('with the token is refused before anything is read', async () => {
    for (const authorization of [undefined, 'Bearer wrong-token-of-some-length', 'Basic YTpi']) {
      const response = await fetch(`${one.stack.http}/v1/overrides`, {
        method: 'POST',
        body: '{not json',
        headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
      })
      expect(response.status).toBe(401)
      expect(await response.text()).toContain('SLUICE_HTTP_UNAUTHORIZED')
    }
  })

  test('in SQL is refused', async () => {
    const hostile = [
      `DROP TABLE outcomes`,
      `INSERT INTO outcomes (kind) VALUES ('delivered')`,
      `SELECT file('/etc/passwd')`,
      `SELECT * FROM file('/etc/passwd', 'LineAsString')`,
      `SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')`,
      `SELECT 1 INTO OUTFILE '/tmp/sluice-outfile'`,
      `SELECT 1; SELECT 2`,
      `SELECT 1 SETTINGS readonly = 0`,
      `SYSTEM SHUTDOWN`,
      `KILL QUERY WHERE 1`,
    ]
    for (const statement of hostile) {
      const [status, code] = await refusal(one.api.sql(statement, z.unknown()))
      expect([statement, status, code]).toEqual([statement, 403, 'SLUICE_SQL_REFUSED'])
    }
    expect(await refusal(one.api.sql('SELECT missing FROM outcomes', z.unknown()))).toEqual([400, 'SLUICE_SQL_FAILED'])
    expect(await one.api.sql('SELECT count() AS n FROM outcomes', z.object({ n: z.coerce.number() }))).toHaveLength(1)
  })

  test('in a changed file is said with file, line and key, and mail goes on as before', async () => {
    const file = path.join(one.stack.configFolder, 'egress.yaml')
    const good = await readFile(file, 'utf8')
    const line = good.split('\n').findIndex((text) => text.includes('mk-1: 1')) + 1
    expect(line).toBeGreaterThan(0)
    await writeFile(file, good.replace('mk-1: 1', 'mk-9: 1'))
    const complaint = `egress.yaml:${line}: pools.marketing.mk-9: no source is named mk-9`
    for (const part of ['haraka', 'sidecar']) {
      await vi.waitFor(async () => expect(await one.log(part, 200)).toContain(complaint), { timeout: 10_000 })
    }
    await submit(one.stack.smtpPort, { to: 'someone@yonder.test', headers: { 'X-Sluice-Stream': 'marketing' } })
    await vi.waitFor(async () => expect((await labOf(one).truth()).map((row) => row.verdict)).toContain('delivered'), {
      timeout: 10_000,
    })
    await writeFile(file, good)
  })

  test('in a file at the start keeps Haraka and the sidecar from starting, and says why', async () => {
    const edits = [{ file: 'egress.yaml', change: (text: string) => text.replace('mk-1: 1', 'mk-9: 1') }]
    await expect(startTestStack({ edits })).rejects.toThrow(
      /egress\.yaml:\d+: pools\.marketing\.mk-9: no source is named/,
    )
  })
})
