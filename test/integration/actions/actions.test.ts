// Operators see what Sluice has done by itself and undo it, over HTTP and on the command line, on a real Haraka that a
// receiver blocks.

import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'

import type { LaneAction } from '@sluice/core/lane/action'
import { startRedis } from '@sluice/run/redis'
import { expect, onTestFinished, test, vi } from 'vitest'

import { startSluice } from '../../harness/sluice'
import { submit } from '../../harness/submit'
import { because, Running } from '../http/running'

const internet = `
providers:
  one:
    domains: [one.test]
    mx: [{ host: mx.one.test, address: 127.39.1.1 }]
    service: { starttls: false }
`
const egress = `
sources:
  a: { ip: 127.39.9.1, ehlo: a.sender.test }
pools:
  main: { a: 1 }
streams:
  bulk: { pool: main }
default_stream: bulk
`
const run = promisify(execFile)
const cli = path.join(__dirname, '../../../sidecar/bin/sluice.cjs')

test('a block is listed as an action with its reason, and undone by its id', async () => {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const stack = await startSluice({ internet, egress, redis, limits: 'reaction: { close_for: 30m }' })
  const sidecar = await Running.start({ redisUrl: redis.url, egress })
  onTestFinished(() => sidecar.end())
  const list = async (query = '') =>
    (await sidecar.ask(`/v1/actions${query}`)).json<{ actions: LaneAction[]; more: number }>()
  const sluice = async (...args: string[]) => (await run(process.execPath, [cli, '-c', sidecar.folder, ...args])).stdout
  expect(await list()).toEqual({ actions: [], more: 0 })

  stack.lab.block('one', '127.39.9.1')
  await submit(stack.haraka.port, { to: 'first@one.test' })
  const { actions } = await vi.waitFor(
    async () => {
      const found = await list('?kind=close')
      expect(found.actions).toHaveLength(1)
      return found
    },
    { timeout: 15_000 },
  )
  const [closed] = actions
  expect(closed).toMatchObject({ kind: 'close', scope: { kind: 'lane', name: 'a', provider: 'one.test' }, count: 1 })
  expect((await list('?provider=two.test&state=all')).actions).toEqual([])
  expect(await sluice('actions')).toContain(closed?.id)

  stack.lab.unblock('one', '127.39.9.1')
  await submit(stack.haraka.port, { to: 'second@one.test' })
  await vi.waitFor(
    async () => {
      const { groups } = (await sidecar.ask('/v1/parked')).json<{ groups: { count: number; reason: string }[] }>()
      expect(groups).toMatchObject([{ reason: 'reaction' }])
    },
    { timeout: 15_000, interval: 200 },
  )

  const route = `/v1/actions/${encodeURIComponent(closed?.id ?? '')}`
  expect((await sidecar.post('/v1/actions/no%2Fsuch/undo', because)).status).toBe(404)
  expect((await sidecar.post(`${route}/undo`, { author: 'anna' })).status).toBe(400)
  expect(await sluice('undo', closed?.id ?? '', '--author', 'anna', '--reason', 'it was a mistake')).toContain('undone')
  expect((await stack.recorded('delivered', 1))[0]?.recipient).toBe('second@one.test')
  expect((await list('?kind=close')).actions).toEqual([])
  expect((await sidecar.ask(route)).json()).toMatchObject({ undone: { by: 'anna', reason: 'it was a mistake' } })
  const again = await sidecar.post(`${route}/undo`, because)
  expect([again.status, again.problem().code]).toEqual([409, 'SLUICE_ACTION_OVER'])
  const { entries } = (await sidecar.ask('/v1/audit')).json<{ entries: object[] }>()
  expect(entries).toMatchObject([
    { action: 'undo', state: 'failed' },
    { action: 'undo', state: 'done', author: 'anna', source: 'a', provider: 'one.test', details: { id: closed?.id } },
  ])
})
