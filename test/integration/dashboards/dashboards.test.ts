// The shipped Grafana dashboard asks for what there is: every query of every panel runs on the migrated schema, and so
// do the queries of its variables. Grafana's macros are put in by hand.

import { mkdtemp, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'

import { Api } from '@sluice/run/api'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { httpEdit, startSidecar, type Sidecar } from '@sluice/run/sidecar'
import { ConfigurationCopy } from '@sluice/run/configuration'
import { freePort } from '@sluice/run/port'

const root = path.join(__dirname, '../../..')
const dashboardSchema = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ rawSql: z.string() })) })),
  templating: z.object({ list: z.array(z.object({ name: z.string(), query: z.string() })) }),
})

let folder: string
let redis: RedisServer
let sidecar: Sidecar
let api: Api

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-dashboards-'))
  await mkdir(path.join(folder, 'spool'))
  const config = path.join(folder, 'config')
  await ConfigurationCopy.write(config, [path.join(root, 'haraka-config/config')], [httpEdit(await freePort())])
  redis = await startRedis()
  sidecar = await startSidecar({ configFolder: config, env: { REDIS_URL: redis.url, CLICKHOUSE_URL: undefined } })
  api = new Api(
    () => sidecar.http,
    () => sidecar.tokenFile,
  )
})
afterAll(async () => {
  await sidecar.child.stop()
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})

const withMacros = (sql: string): string =>
  sql
    .replaceAll('$__timeFilter(at)', `at >= now() - INTERVAL 1 HOUR AND at <= now()`)
    .replaceAll('$__timeInterval(at)', 'toStartOfInterval(at, INTERVAL 60 SECOND)')
    .replaceAll(/\$\{\w+:singlequote\}/g, `'a', 'b'`)

test('every query of every dashboard runs', async () => {
  const files = (await readdir(path.join(root, 'dashboards'))).filter((name) => name.endsWith('.json'))
  expect(files).not.toEqual([])
  for (const file of files) {
    const text = await readFile(path.join(root, 'dashboards', file), 'utf8')
    const { panels, templating } = dashboardSchema.parse(JSON.parse(text))
    const queries = [
      ...panels.flatMap(({ title, targets }) => targets.map(({ rawSql }) => [title, rawSql] as const)),
      ...templating.list.map(({ name, query }) => [name, query] as const),
    ]
    for (const [title, sql] of queries) {
      await expect(api.sql(withMacros(sql), z.unknown()), `${file}: ${title}`).resolves.toBeInstanceOf(Array)
    }
  }
})
