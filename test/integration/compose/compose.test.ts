// docker-compose.yml without starting anything: what it refers to exists, and docker itself accepts it where its client
// has `compose`.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const root = path.join(__dirname, '../../..')
const fileSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      build: z.object({ context: z.string(), dockerfile: z.string(), target: z.string() }).optional(),
      image: z.string().optional(),
      volumes: z.array(z.string()).default([]),
      ports: z.array(z.string()).default([]),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()),
})
const compose = fileSchema.parse(parse(readFileSync(path.join(root, 'docker-compose.yml'), 'utf8'), { merge: true }))
const secrets = { SLUICE_CLICKHOUSE_PASSWORD: 'a', GRAFANA_PASSWORD: 'b' }

const docker = (...args: string[]) =>
  spawnSync('docker', ['compose', ...args], { cwd: root, encoding: 'utf8', env: { ...process.env, ...secrets } })
const haveCompose = docker('version').status === 0
if (!haveCompose) console.warn('SKIPPED: `docker compose config`: this machine has no docker client with compose')

describe('docker-compose.yml', () => {
  test('has haraka, redis, clickhouse, sidecar and grafana', () => {
    expect(Object.keys(compose.services).sort()).toEqual(['clickhouse', 'grafana', 'haraka', 'redis', 'sidecar'])
  })

  test('mounts and builds only what is there', () => {
    for (const [name, { build, volumes, depends_on }] of Object.entries(compose.services)) {
      for (const volume of volumes) {
        const source = volume.split(':')[0] ?? ''
        const there = source.startsWith('.') ? existsSync(path.join(root, source)) : source in compose.volumes
        expect(there, `${name}: ${volume}`).toBe(true)
      }
      for (const other of Object.keys(depends_on)) expect(compose.services).toHaveProperty(other)
      if (!build) continue
      expect(readFileSync(path.join(root, build.dockerfile), 'utf8')).toMatch(new RegExp(`AS ${build.target}$`, 'm'))
    }
  })

  test('publishes ports to this machine only', () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  test.skipIf(!haveCompose)('is accepted by docker', () => {
    const { status, stderr } = docker('config', '--quiet')
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })

  test.skipIf(!haveCompose)('asks for the secrets it needs', () => {
    const { status, stderr } = spawnSync('docker', ['compose', 'config'], { cwd: root, encoding: 'utf8' })
    expect(status).not.toBe(0)
    expect(stderr).toContain('SLUICE_CLICKHOUSE_PASSWORD')
  })
})
