// docs/adding-to-haraka.md as a test: the packages are packed, installed into a stock Haraka directory, mail goes out
// through the packed plugins by the configured source, and the packed sidecar knows of it. Needs the packages'
// dependencies from npm's cache or a registry; the engine (half a gigabyte) is linked from here instead.

import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'

import { Api } from '@sluice/run/api'
import { Child } from '@sluice/run/child'
import { ConfigurationCopy, iniEdit, yamlEdit } from '@sluice/run/configuration'
import { startHaraka } from '@sluice/run/haraka'
import { startLab, type LabProcess } from '@sluice/run/lab'
import { freePort } from '@sluice/run/port'
import { readyLine } from '@sluice/run/ready'
import { startRedis, type RedisServer } from '@sluice/run/redis'
import { httpEdit, sidecarReady } from '@sluice/run/sidecar'

import { submit } from '../harness/submit'

const root = path.join(__dirname, '../..')
const plugins = ['host', 'feedback', 'stream', 'egress', 'outcome']
const packages = ['core', 'sidecar', ...plugins.map((name) => `plugins/${name}`)]

let folder: string
let lab: LabProcess
let redis: RedisServer
let haraka: Child | undefined
let sidecar: Child | undefined

const npm = (cwd: string, ...args: string[]): void => {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed\n${stdout}\n${stderr}`)
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-packing-'))
  ;[lab, redis] = await Promise.all([startLab({ seed: 'packing' }, path.join(folder, 'lab.log')), startRedis()])
})
afterAll(async () => {
  await Promise.all([haraka?.stop(), sidecar?.stop()])
  await Promise.all([lab.stop(), redis.stop()])
  await rm(folder, { recursive: true, force: true })
})

test('a stock Haraka directory with the packed plugins sends by the configured source, and the packed sidecar knows', async () => {
  const stock = path.join(folder, 'haraka')
  const harakaProgram = path.join(root, 'node_modules/Haraka/bin/haraka')
  expect(spawnSync(process.execPath, [harakaProgram, '-i', stock], { stdio: 'ignore' }).status).toBe(0)

  const packed = path.join(folder, 'packed')
  await mkdir(packed)
  npm(root, 'pack', ...packages.flatMap((name) => ['-w', name]), '--pack-destination', packed)
  const tarballs = (await readdir(packed)).map((name) => path.join(packed, name))
  expect(tarballs).toHaveLength(packages.length)
  npm(stock, 'install', '--prefer-offline', '--omit=optional', '--no-audit', '--no-fund', ...tarballs)
  await symlink(path.join(root, 'node_modules/chdb'), path.join(stock, 'node_modules/chdb'))

  // What the page tells people to edit, laid over what `haraka -i` wrote.
  const own = path.join(folder, 'own')
  const theirs = path.join(folder, 'theirs')
  await cp(path.join(stock, 'config'), theirs, { recursive: true })
  await mkdir(own)
  for (const name of ['sluice.yaml', 'egress.yaml', 'shaping.yaml', 'relay_acl_allow']) {
    await cp(path.join(root, 'haraka-config/config', name), path.join(own, name))
  }
  const stockPlugins = await readFile(path.join(theirs, 'plugins'), 'utf8')
  const lines = plugins.map((name) => `sluice-${name}`).join('\n')
  // The stock list asks DNS about every sender, who is invented here.
  await writeFile(
    path.join(own, 'plugins'),
    `relay\n${stockPlugins.replace('mail_from.is_resolvable', '')}\n${lines}\n`,
  )
  const port = await freePort()
  await ConfigurationCopy.write(
    path.join(stock, 'config'),
    [theirs, own],
    [
      ...lab.edits,
      iniEdit('smtp.ini', 'listen', `127.0.0.1:${port}`),
      httpEdit(await freePort()),
      yamlEdit('egress.yaml', ['sources', 'default'], { ip: '127.1.9.9', ehlo: 'packed.sluice.test' }),
    ],
  )
  haraka = await startHaraka({ folder: stock, host: '127.0.0.1', port, env: { REDIS_URL: redis.url } })

  await submit(port, { to: ['someone@goggle.test', 'another@yonder.test'] })
  await vi.waitFor(
    async () => {
      const delivered = (await lab.truth()).filter((row) => row.unit === 'recipient' && row.verdict === 'delivered')
      expect(delivered.map((row) => [row.provider, row.client_ip, row.count])).toEqual([
        ['goggle', '127.1.9.9', 1],
        ['yonder', '127.1.9.9', 1],
      ])
    },
    { timeout: 15_000, interval: 100 },
  )

  sidecar = await Child.spawn({
    name: 'sidecar',
    command: path.join(stock, 'node_modules/.bin/sluice-sidecar'),
    args: ['--config', stock],
    env: { ...process.env, REDIS_URL: redis.url, CLICKHOUSE_URL: undefined },
  })
  const { http, tokens } = await sidecar.until(readyLine(sidecarReady), 'to be ready', 60_000)
  const api = new Api(
    () => http,
    () => tokens,
  )
  await vi.waitFor(
    async () => {
      const rows = await api.sql(
        `SELECT provider, source FROM outcomes WHERE kind = 'delivered' ORDER BY provider`,
        z.object({ provider: z.string(), source: z.string() }),
      )
      expect(rows.map(({ source }) => source)).toEqual(['default', 'default'])
    },
    { timeout: 20_000, interval: 200 },
  )
})
