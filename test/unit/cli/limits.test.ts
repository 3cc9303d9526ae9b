import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { limitsOfLane, showLimits } from '@sluice/sidecar/cli/limits'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-limits-'))
  await writeFile(
    path.join(folder, 'egress.yaml'),
    `sources:
  a: { ip: 127.0.1.1, ehlo: a.example.com }
  r: { relay: { host: relay.example.com } }
pools: { main: { a: 1, r: 1 } }
streams: { bulk: { pool: main } }
default_stream: bulk
`,
  )
  await writeFile(
    path.join(folder, 'shaping.yaml'),
    `defaults:
  connection_limit: 7
providers:
  google:
    sources:
      a: { connection_limit: 3 }
sources:
  r: { connection_limit: 40 }
sites:
  one.test: { connection_limit: 2 }
`,
  )
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const of = async (lane: string, name = 'connection_limit') => {
  const found = await limitsOfLane(folder, lane)
  const { value, origin } = found.limits.find((one) => one.name === name) ?? {}
  return [found.lane, value, origin?.replace(`${folder}/`, '')]
}

test('the limits of a lane are printed with file and line of each value', async () => {
  expect(await of('a@google')).toEqual(['a to google', '3', 'lane, shaping.yaml:6'])
  expect(await of('a@gmail.com')).toEqual(['a to google', '3', 'lane, shaping.yaml:6'])
  expect((await of('google'))[2]).toMatch(/^provider, providers\.yaml \(shipped\):\d+$/)
  expect(await of('a@one.test')).toEqual(['a to one.test (a site nobody has named)', '2', 'site, shaping.yaml:10'])
  expect(await of('two.test')).toMatchObject([expect.anything(), '7', 'defaults, shaping.yaml:2'])
  expect(await of('google', 'timeouts.dot')).toEqual(['any source to google', '10m', 'built in'])
  expect(showLimits(await limitsOfLane(folder, 'a@google'))).toContain('lane, ')
})

test('a relay is one lane, whoever receives in the end, and an unknown source is refused', async () => {
  expect(await of('r@google')).toEqual(['r to everybody: a relay is one receiver', '40', 'source, shaping.yaml:8'])
  await expect(limitsOfLane(folder, 'b@google')).rejects.toThrow('no source is named b')
})
