import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { Child } from '@sluice/run/child'
import { claim } from '@sluice/run/claim'
import { checkFolder, emptyFolder } from '@sluice/run/demo/folder'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-folder-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the demo’s folder', () => {
  test('is not taken where somebody else’s files are', async () => {
    await writeFile(path.join(folder, 'thesis.txt'), 'years of work')
    await expect(checkFolder(folder)).rejects.toThrow(/is not empty and no demo has made it/)
    expect(await readdir(folder)).toEqual(['thesis.txt'])
  })

  test('is emptied where it is the demo’s own', async () => {
    await checkFolder(folder)
    await writeFile(path.join(folder, 'old'), '')
    await writeFile(path.join(folder, 'kept'), '')
    await checkFolder(folder)
    await emptyFolder(folder, ['kept'])
    expect((await readdir(folder)).sort()).toEqual(['.sluice-demo', 'kept'])
  })
})

describe('a claim', () => {
  const owned = (pid: number) => writeFile(path.join(folder, 'sluice.pid'), String(pid))

  test('is given back, and taken over from a process that is gone or is another program', async () => {
    for (const pid of [4194305, 1]) {
      await owned(pid)
      const release = await claim(folder)
      expect(await readdir(folder)).toEqual(['sluice.pid'])
      await release()
      expect(await readdir(folder)).toEqual([])
    }
  })

  test('is refused where a living process has it', async () => {
    const other = await Child.spawn({
      name: 'other',
      command: process.execPath,
      args: ['-e', 'setInterval(() => undefined, 1000)', 'run.cjs'],
    })
    await owned(other.pid)
    await expect(claim(folder)).rejects.toThrow(`is in use by process ${other.pid}`)
    await other.stop()
  })
})
