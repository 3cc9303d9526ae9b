import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { ConfigurationCopy, iniEdit, yamlEdit } from '@sluice/run/configuration'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-configuration-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const layer = async (name: string, files: Record<string, string>): Promise<string> => {
  const place = path.join(folder, name)
  await mkdir(place, { recursive: true })
  for (const [file, text] of Object.entries(files)) await writeFile(path.join(place, file), text)
  return place
}
const copied = (file: string): Promise<string> => readFile(path.join(folder, 'copy', file), 'utf8')

describe('a configuration copy', () => {
  test('lays folders over each other and changes single values, comments included', async () => {
    const base = await layer('base', { 'smtp.ini': '; where\nlisten=127.0.0.1:2525\nnodes=1\n', plugins: 'relay\n' })
    const over = await layer('over', { 'sluice.yaml': '# kept\nredis:\n  url: redis://elsewhere # why\n' })
    await ConfigurationCopy.write(
      path.join(folder, 'copy'),
      [base, over],
      [
        iniEdit('smtp.ini', 'listen', '127.0.0.1:9'),
        iniEdit('smtp.ini', 'nodes', 0),
        yamlEdit('sluice.yaml', ['redis', 'prefix'], 'test'),
        yamlEdit('new.yaml', ['a', 'b'], [1]),
      ],
    )
    expect(await copied('smtp.ini')).toBe('; where\nlisten=127.0.0.1:9\nnodes=0\n')
    expect(await copied('plugins')).toBe('relay\n')
    expect(await copied('sluice.yaml')).toBe('# kept\nredis:\n  url: redis://elsewhere # why\n  prefix: test\n')
    expect(await copied('new.yaml')).toBe('a:\n  b:\n    - 1\n')
  })

  test('follows its layers', async () => {
    const base = await layer('base', { plugins: 'relay\n' })
    const copy = await ConfigurationCopy.write(path.join(folder, 'copy'), [base], [])
    const said: string[] = []
    const stop = copy.follow((text) => said.push(text))
    await writeFile(path.join(base, 'plugins'), 'relay\nsluice-host\n')
    await vi.waitFor(async () => expect(await copied('plugins')).toBe('relay\nsluice-host\n'))
    await vi.waitFor(() => expect(said).toEqual(['configuration changed: plugins']))
    stop()
  })
})
