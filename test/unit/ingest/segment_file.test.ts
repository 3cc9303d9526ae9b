import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { dispose, measure } from '@sluice/sidecar/ingest/segment_file'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-segment-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the measure of a segment', () => {
  it.each([
    ['', 0],
    ['\n \n\t\r\n', 0],
    ['a\n', 1],
    ['a\nb', 2],
    ['a\n\n  \nb\n', 2],
    [`${'x'.repeat(300_000)}\n${' '.repeat(300_000)}\n${'y'.repeat(300_000)}`, 2],
  ])('counts lines with something in them', async (content, lines) => {
    const file = path.join(folder, 'a')
    await writeFile(file, content)
    expect(await measure(file)).toEqual({ lines, bytes: content.length })
  })
})

describe('an acknowledged segment', () => {
  const name = 'h-1-1700000000000-00000001.ndjson'

  it('is removed, with its clean file', async () => {
    await writeFile(path.join(folder, name), 'a\n')
    await writeFile(path.join(folder, name.replace('.ndjson', '.clean')), 'a\n')
    await dispose(folder, name, undefined)
    await dispose(folder, name, undefined)
    expect(await readdir(folder)).toEqual([])
  })

  it('is moved to the archive where there is one', async () => {
    const archive = path.join(folder, 'archive')
    await mkdir(archive)
    await writeFile(path.join(folder, name), 'a\n')
    await dispose(folder, name, archive)
    await dispose(folder, name, archive)
    expect(await readdir(folder)).toEqual(['archive'])
    expect(await readdir(archive)).toEqual([name])
  })
})
