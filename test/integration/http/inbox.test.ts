// The inbox of unknown replies over HTTP and on the command line, and the way out of it: a rule of the operator's own.

import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { segmentName } from '@sluice/core/spool/segment'
import { Child } from '@sluice/run/child'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { eventually } from '../engine/running'
import { outcome } from '../score/outcomes'
import { Running } from './running'

let redis: RedisServer
let running: Running

interface Reply {
  readonly id: string
  readonly count: number
  readonly class: string
  readonly signature: string
}

beforeAll(async () => {
  redis = await startRedis()
  running = await Running.start({ redisUrl: redis.url })
  const replies = [
    ...Array.from({ length: 7 }, (_, n) => `554 5.0.0 Zwiebelfisch ${n}x${n} gesperrt durch mx${n}.there.test`),
    ...Array.from({ length: 2 }, (_, n) => `554 5.0.0 Zwiebelfisch ${n}q gesperrt durch wen auch immer`),
    '550 5.1.1 user unknown',
  ]
  const records = replies.map((reply) =>
    outcome({ kind: 'bounced', reply, code: 554, class: 'other', class_rule: 'none', blame: 'unknown', phase: 'data' }),
  )
  const name = segmentName({ host: 'test', worker: '1', started: Date.now(), sequence: 0, sealed: true })
  await writeFile(
    path.join(running.folder, 'spool', name),
    records.map((record) => `${JSON.stringify(record)}\n`).join(''),
  )
  await eventually(async () => (await inbox()).length > 0)
})
afterAll(async () => {
  await running.end()
  await redis.stop()
})

const inbox = async (): Promise<readonly Reply[]> =>
  (await running.ask('/v1/inbox')).json<{ replies: readonly Reply[] }>().replies

const sluice = async (...args: string[]): Promise<string> => {
  const child = await Child.spawn({
    name: 'sluice',
    command: process.execPath,
    args: [path.resolve(__dirname, '../../../sidecar/dist/cli/main.js'), '--config', running.folder, ...args],
    env: { ...process.env, RELAY_PASSWORD: 'x' },
  })
  await child.saidAll()
  return child.lastLines(200).join('\n')
}

it('has what no rule knows by its words, alike ones together, and not what the rules know by now', async () => {
  const replies = await inbox()
  expect(replies.map(({ count }) => count)).toEqual([7, 2])
  expect(replies[0]?.signature).toContain('zwiebelfisch # gesperrt durch (host)')
  expect(await sluice('inbox')).toContain(replies[0]?.id)
})

it('gives a rule for one of them, with everything it would have decided, and the rule takes it out', async () => {
  const [first, second] = await inbox()
  const answer = await running.post(`/v1/inbox/${first?.id}/rule`, { class: 'policy', since: '1d' })
  const { caught, yaml } = answer.json<{ caught: Reply[]; yaml: string }>()
  expect(caught.map(({ id }) => id).toSorted()).toEqual([first?.id, second?.id].toSorted())
  expect(yaml).toContain('class: policy')
  expect((await inbox()).length).toBe(2)

  const said = await sluice('rule', 'from', first?.id ?? '', '--class', 'policy', '--write')
  expect(said).toContain('Would have decided 9 replies')
  expect(await readFile(path.join(running.folder, 'config/bounce.yaml'), 'utf8')).toContain('class: policy')
  await eventually(async () => (await inbox()).length === 0)
  expect(await sluice('check')).toContain('good')
})

it('refuses what it does not have', async () => {
  expect((await running.post('/v1/inbox/0123456789/rule', { class: 'policy' })).problem().code).toBe(
    'SLUICE_HTTP_NOT_FOUND',
  )
  expect((await running.post('/v1/inbox/nonsense/rule', { class: 'policy' })).problem().code).toBe('SLUICE_HTTP_QUERY')
  expect((await running.post('/v1/inbox/0123456789/rule', { class: 'alien' })).problem().code).toBe('SLUICE_HTTP_BODY')
})
