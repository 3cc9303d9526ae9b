import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { segmentName } from '@sluice/core/spool/segment'
import { sealOrphan } from '@sluice/sidecar/ingest/orphan'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-orphan-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const open = (worker: string, { host = hostname(), started = Date.now(), sequence = 1 } = {}): string =>
  segmentName({ host, worker, started, sequence, sealed: false })

/** A pid that was alive and is not. */
const deadPid = async (): Promise<string> => {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  return String(child.pid)
}

const put = (name: string, content: string): Promise<void> => writeFile(path.join(folder, name), content)
const names = async (): Promise<string[]> => (await readdir(folder)).sort()

describe('an open segment of a dead worker', () => {
  it('is sealed under its own name', async () => {
    const name = open(await deadPid())
    await put(name, 'a\nb\n')
    const sealed = name.replace('.open', '.ndjson')
    expect(await sealOrphan(folder, name, 0)).toEqual({ name: sealed, tornBytes: 0 })
    expect(await names()).toEqual([sealed])
    expect(await readFile(path.join(folder, sealed), 'utf8')).toBe('a\nb\n')
  })

  it('loses its torn last line to a file beside it', async () => {
    const name = open(await deadPid())
    await put(name, `a\n${'long '.repeat(40_000)}`)
    const sealed = await sealOrphan(folder, name, 0)
    expect(sealed?.tornBytes).toBe(200_000)
    expect(await readFile(path.join(folder, name.replace('.open', '.ndjson')), 'utf8')).toBe('a\n')
    expect(await readFile(path.join(folder, name.replace('.open', '.torn')), 'utf8')).toBe('long '.repeat(40_000))
  })

  it('is removed where no whole line is in it', async () => {
    const [empty, torn] = [open(await deadPid()), open(await deadPid(), { sequence: 2 })]
    await put(empty, '')
    await put(torn, 'half')
    expect(await sealOrphan(folder, empty, 0)).toEqual({ tornBytes: 0 })
    expect(await sealOrphan(folder, torn, 0)).toEqual({ tornBytes: 4 })
    expect(await names()).toEqual([torn.replace('.open', '.torn')])
  })

  it('is left alone until it was quiet for a while', async () => {
    const name = open(await deadPid())
    await put(name, 'a\n')
    expect(await sealOrphan(folder, name, 60_000)).toBeUndefined()
    await utimes(path.join(folder, name), 1, 1)
    expect(await sealOrphan(folder, name, 60_000)).toBeDefined()
  })

  it('that somebody else seals at the same time is sealed once', async () => {
    const name = open(await deadPid())
    await put(name, 'a\nb')
    const results = await Promise.all([sealOrphan(folder, name, 0), sealOrphan(folder, name, 0)])
    expect(results.some((each) => each !== undefined)).toBe(true)
    expect(await names()).toEqual([name.replace('.open', '.ndjson'), name.replace('.open', '.torn')])
  })
})

describe('an open segment is never touched', () => {
  const untouched = async (name: string): Promise<void> => {
    await put(name, 'a\nhalf')
    await utimes(path.join(folder, name), 1, 1)
    expect(await sealOrphan(folder, name, 0)).toBeUndefined()
    expect(await readFile(path.join(folder, name), 'utf8')).toBe('a\nhalf')
  }

  it('of this process', () => untouched(open(String(process.pid))))
  it('of another host', async () => untouched(open(await deadPid(), { host: 'elsewhere' })))
  it('of a worker that is not a process id', () => untouched(open('w1')))
  it('of a live process', async () => {
    const child = await idle()
    await untouched(open(String(child.pid), { started: Date.now() + 1_000 }))
    child.kill()
  })

  it('of a live process that has it open, whatever the clock says', async () => {
    const child = await idle(
      'const fs = require("fs"); process.on("message", (f) => process.send(fs.openSync(f, "a")))',
    )
    const name = open(String(child.pid), { started: Date.now() - 86_400_000 })
    await put(name, '')
    child.send(path.join(folder, name))
    await once(child, 'message')
    await untouched(name)
    child.kill()
  })
})

it('an open segment of a process whose id another process has now is sealed', async () => {
  const child = await idle()
  const name = open(String(child.pid), { started: Date.now() - 86_400_000 })
  await put(name, 'a\n')
  expect(await sealOrphan(folder, name, 0)).toMatchObject({ tornBytes: 0 })
  child.kill()
})

/** A child process that stays; it says so. */
const idle = async (code = ''): Promise<ChildProcess> => {
  const file = path.join(folder, '..', path.basename(folder) + '-child.cjs')
  await writeFile(file, `${code}; process.on("message", () => {}); process.send("up")`)
  const child = fork(file, { execArgv: [] })
  await once(child, 'message')
  await rm(file)
  return child
}
