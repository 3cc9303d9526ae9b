// `sluice check` and the sidecar refuse a warm-up that names nothing, with file, line and key; plans of the operator's
// own count.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { checkFolder } from '@sluice/sidecar/cli/check'
import { readConfiguration } from '@sluice/sidecar/config/configuration'

const egress = `
sources: { a: { ip: 192.0.2.1, ehlo: a.test } }
pools: { main: { a: 1 } }
streams: { bulk: { pool: main } }
default_stream: bulk
`
const own = 'plans: { mine: { label: mine, source: mine, scope: lane, per: day, stages: [10, 20] } }\n'

const folderWith = async (files: Readonly<Record<string, string>>): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-check-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text)
  return folder
}

test('a plan that is not there is a complaint of shaping.yaml, and refused', async () => {
  const shaping = 'warmup:\n  - source: a\n    plan: mine\n  - source: zz\n    plan: sparkpost\n'
  const folder = await folderWith({ 'egress.yaml': egress, 'shaping.yaml': shaping })
  const { complaints, good } = await checkFolder(folder)
  expect(complaints).toEqual([
    `${path.join(folder, 'shaping.yaml')}:3: warmup.0.plan: no plan is named mine; there are sendgrid, sparkpost, conservative`,
    `${path.join(folder, 'shaping.yaml')}:4: warmup.1.source: no source is named zz`,
  ])
  expect(good.some((file) => file.endsWith('shaping.yaml'))).toBe(false)
  const read = readConfiguration({ files: folder, base: folder })
  await expect(read).rejects.toThrow(/^shaping\.yaml:3: warmup\.0\.plan: /)
})

test("an operator's plan is one", async () => {
  const shaping = 'warmup: [{ source: a, plan: mine }]\n'
  const folder = await folderWith({ 'egress.yaml': egress, 'shaping.yaml': shaping, 'warmup.yaml': own })
  expect((await checkFolder(folder)).complaints).toEqual([])
  const { plans } = await readConfiguration({ files: folder, base: folder })
  expect(Object.keys(plans)).toEqual(['sendgrid', 'sparkpost', 'conservative', 'mine'])
  const bad = await folderWith({ 'warmup.yaml': own.replace('[10, 20]', '[10, 5]') })
  expect((await checkFolder(bad)).complaints.join()).toContain('warmup.yaml:1: plans.mine.stages: every stage')
})
