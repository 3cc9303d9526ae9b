import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { segmentName } from '@sluice/core/spool/segment'
import { readSpool, SpoolWatch } from '@sluice/sidecar/ingest/spool'

const name = (worker: string, sequence: number, sealed = true): string =>
  segmentName({ host: 'h', worker, started: 1_700_000_000_000, sequence, sealed })

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-spool-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const put = async (file: string, seconds: number, content = 'x\n'): Promise<void> => {
  await writeFile(path.join(folder, file), content)
  await utimes(path.join(folder, file), seconds, seconds)
}

describe('a look into the spool', () => {
  it('finds sealed segments by age, whoever wrote them, and counts all', async () => {
    await put(name('2', 7), 100)
    await put(name('1', 3), 300)
    await put(name('1', 2), 200)
    await put(name('1', 4, false), 400)
    await put('notes.txt', 1)
    await put(`${name('1', 2)}.draft`, 1)
    const page = await readSpool(folder, 10)
    expect(page.oldest.map((each) => each.name)).toEqual([name('2', 7), name('1', 2), name('1', 3)])
    expect(page).toMatchObject({ segments: 3, bytes: 6, open: [name('1', 4, false)] })
  })

  it('keeps a page of the oldest, however many there are', async () => {
    for (let sequence = 0; sequence < 300; sequence += 1) await put(name('1', sequence), 1_000 - sequence)
    const page = await readSpool(folder, 5)
    expect(page.oldest.map((each) => each.name)).toEqual([299, 298, 297, 296, 295].map((each) => name('1', each)))
    expect(page.segments).toBe(300)
  })

  it('orders segments of one moment by name', async () => {
    for (const sequence of [3, 1, 2]) await put(name('1', sequence), 100)
    const page = await readSpool(folder, 10)
    expect(page.oldest.map((each) => each.name)).toEqual([1, 2, 3].map((each) => name('1', each)))
  })
})

describe('the watch', () => {
  const never = new AbortController().signal

  it('wakes when a segment is sealed, not when one is written to', async () => {
    const watch = new SpoolWatch(folder)
    const woken = watch.change(60_000, never)
    await put(name('1', 1, false), 1)
    await put(name('1', 2), 1)
    await woken
    watch.close()
  })

  it('does not forget a change that came before the call', async () => {
    const watch = new SpoolWatch(folder)
    watch.nudge()
    await watch.change(60_000, never)
    watch.close()
  })

  it('wakes after its interval, and when it is to stop', async () => {
    const watch = new SpoolWatch(path.join(folder, 'not there'))
    await watch.change(1, never)
    const stop = new AbortController()
    const waiting = watch.change(60_000, stop.signal)
    stop.abort()
    await waiting
    watch.close()
  })
})
