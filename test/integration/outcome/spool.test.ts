// The spool writer on a real file system: what a reader finds, after limits, a SIGKILL, a write cut short and a folder
// nobody can write to.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import type { OutcomeKind, OutcomeRecord } from '@sluice/core/outcome/record'
import { parseSegmentName, segmentLimits } from '@sluice/core/spool/segment'
import { expect, onTestFinished, test, vi } from 'vitest'

import { SpoolWriter, type SpoolParts } from '../../../plugins/outcome/spool/writer'
import { readSpool } from '../../harness/sluice'

const temporaryFolder = async (): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-spool-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const id = (n: number): string => `0190a1b2-0000-7000-8000-${String(n).padStart(12, '0')}`
const record = (n: number, kind: OutcomeKind = 'delivered'): OutcomeRecord => ({ id: id(n), at: n, kind })

const writerIn = (folder: string, more: Partial<SpoolParts> = {}) => {
  const said: string[] = []
  const writer = new SpoolWriter({
    folder,
    host: 'host',
    worker: '1',
    bounds: () => ({ max: 1e12, minFree: 0 }),
    log: { notice: (text) => said.push(`notice ${text}`), error: (text) => said.push(`error ${text}`) },
    ...more,
  })
  onTestFinished(() => writer.close())
  return { writer, said }
}

const names = async (folder: string, sealed: boolean): Promise<string[]> =>
  (await readdir(folder)).filter((name) => parseSegmentName(name)?.sealed === sealed).toSorted()

const ids = async (folder: string): Promise<string[]> => (await readSpool(folder)).map((one) => one.id).toSorted()

test('records of one turn are there after it; a segment is sealed after its time', async () => {
  const folder = path.join(await temporaryFolder(), 'made/when/needed')
  const { writer } = writerIn(folder)
  for (let n = 0; n < 5; n++) writer.append(record(n))
  await new Promise(setImmediate)
  expect(await ids(folder)).toEqual([0, 1, 2, 3, 4].map(id))
  expect(await names(folder, false)).toHaveLength(1)
  await vi.waitFor(async () => expect(await names(folder, true)).toHaveLength(1), { timeout: 3000 })
  writer.append(record(5))
  await vi.waitFor(async () => expect(await names(folder, true)).toHaveLength(2), { timeout: 3000 })
  expect(await ids(folder)).toEqual([0, 1, 2, 3, 4, 5].map(id))
})

test('a segment is sealed when it has enough lines', async () => {
  const folder = await temporaryFolder()
  const { writer } = writerIn(folder)
  const turns = 5
  for (let turn = 0; turn < turns; turn++) {
    for (let n = 0; n < segmentLimits.lines / 2; n++) writer.append(record(turn * segmentLimits.lines + n))
    await new Promise(setImmediate)
  }
  await vi.waitFor(async () => expect(await names(folder, true)).toHaveLength(2))
  expect(await ids(folder)).toHaveLength((turns * segmentLimits.lines) / 2)
})

test('closing seals what is open, also while sealing is under way', async () => {
  const folder = await temporaryFolder()
  const { writer } = writerIn(folder)
  for (let n = 0; n < segmentLimits.lines; n++) writer.append(record(n))
  await new Promise(setImmediate)
  writer.append(record(segmentLimits.lines))
  writer.close()
  expect(await names(folder, true)).toHaveLength(2)
  expect(await names(folder, false)).toEqual([])
  expect(await ids(folder)).toHaveLength(segmentLimits.lines + 1)
  writer.close()
})

interface Script {
  /** Shell command before node. */
  readonly limits?: string
  /** CommonJS; knows `writer` and `record(n)`. */
  readonly body: string
  /** Told of every message the process sends. */
  readonly onMessage?: (message: unknown, kill: () => void) => void
}

/** Runs a writer in a process of its own, on `folder`/spool; answers what it said. */
const runWriter = async (folder: string, { limits = 'true', body, onMessage }: Script): Promise<string> => {
  const script = path.join(folder, 'writer.cjs')
  const compiled = path.join(__dirname, '../../../plugins/outcome/dist/spool/writer.js')
  await writeFile(
    script,
    `const { SpoolWriter } = require(${JSON.stringify(compiled)})
     const log = { notice: console.log, error: console.log }
     const bounds = () => ({ max: 1e12, minFree: 0 })
     const writer = new SpoolWriter({ folder: ${JSON.stringify(path.join(folder, 'spool'))}, host: 'h', worker: 'w', bounds, log })
     const record = (n) => ({ id: '0190a1b2-0000-7000-8000-' + String(n).padStart(12, '0'), at: n, kind: 'delivered' })
     ${body}`,
  )
  const child = spawn('bash', ['-c', `${limits}; exec "$0" "$1"`, process.execPath, script], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.on('message', (message) => onMessage?.(message, () => child.kill('SIGKILL')))
  await once(child, 'close')
  return said
}

test('after a SIGKILL everything that was written is there, in whole lines', async () => {
  const folder = await temporaryFolder()
  let known = 0
  await runWriter(folder, {
    body: `
      let n = 0
      const turn = () => {
        for (let i = 0; i < 20; i++) writer.append(record(n++))
        setImmediate(() => { process.send(n); setImmediate(turn) })
      }
      turn()`,
    onMessage: (n, kill) => {
      known = n as number
      if (known > 30_000) kill()
    },
  })
  expect(known).toBeGreaterThan(30_000)
  const found = await ids(path.join(folder, 'spool'))
  expect(found.length).toBeGreaterThanOrEqual(known)
  expect(found).toEqual(found.map((_, n) => id(n)))
})

test('where a write fails in the middle no torn line stays behind, and later records are written', async () => {
  const folder = await temporaryFolder()
  // 64 KB per file: the write that passes it is cut short, the next one fails, as on a full disk.
  const said = await runWriter(folder, {
    limits: 'ulimit -f 64',
    // 400 records with 200 bytes of padding in one turn, then one record after the writer's rest.
    body: `
      for (let n = 0; n < 4; n++) writer.append(record(n))
      setImmediate(() => {
        for (let n = 4; n < 400; n++) writer.append({ ...record(n), reply: 'x'.repeat(200) })
        setTimeout(() => { writer.append(record(400)); setImmediate(() => process.exit(0)) }, 1100)
      })
      process.on('exit', () => { writer.close(); console.log('lost ' + writer.losses.total) })`,
  })
  expect(said).toContain('SLUICE_SPOOL_UNWRITABLE')
  expect(said).toContain('lost 396')
  expect(await ids(path.join(folder, 'spool'))).toEqual([0, 1, 2, 3, 400].map(id))
  for (const name of await names(path.join(folder, 'spool'), true)) {
    expect(await readFile(path.join(folder, 'spool', name), 'utf8')).toMatch(/\n$/)
  }
})

test('a folder that cannot be written costs records only, counted, and is tried again', async () => {
  const parent = await temporaryFolder()
  const folder = path.join(parent, 'spool')
  // A file in the place of the folder: ENOTDIR for everybody, root included.
  await writeFile(folder, '')
  let now = 1_000_000
  const { writer, said } = writerIn(folder, { now: () => now })
  for (let n = 0; n < 3; n++) writer.append(record(n, n === 0 ? 'bounced' : 'delivered'))
  await new Promise(setImmediate)
  expect(writer.losses.total).toBe(3)
  expect(said).toEqual([expect.stringMatching(/^error SLUICE_SPOOL_UNWRITABLE: .*1 bounced/)])

  await rename(folder, path.join(parent, 'aside'))
  writer.append(record(3))
  await new Promise(setImmediate)
  expect(writer.losses.total).toBe(4)
  now += 1001
  writer.append(record(4))
  await new Promise(setImmediate)
  expect(await ids(folder)).toEqual([id(4)])
  expect(said.at(-1)).toMatch(/^notice outcome records are written again; 4 were lost/)
})

test('near its limit the least valuable kinds are dropped first, counted and said', async () => {
  const folder = await temporaryFolder()
  let max = 1e12
  const { writer, said } = writerIn(folder, { bounds: () => ({ max, minFree: 0 }) })
  for (let n = 0; n < 100; n++) writer.append({ ...record(n), reply: 'x'.repeat(4000) })
  await new Promise(setImmediate)
  const { length } = await readFile(path.join(folder, (await readdir(folder))[0] ?? ''))
  max = length / 0.92
  await vi.waitFor(
    async () => {
      writer.append(record(101, 'accepted'))
      await new Promise(setImmediate)
      expect(writer.losses.total).toBeGreaterThan(0)
    },
    { timeout: 5000, interval: 100 },
  )
  writer.append(record(102, 'delivered'))
  writer.append(record(103, 'bounced'))
  await new Promise(setImmediate)
  const kinds = (await readSpool(folder)).map((one) => `${one.kind} ${one.at}`)
  expect(kinds).toContain('bounced 103')
  expect(kinds).not.toContain('delivered 102')
  expect(said[0]).toMatch(/^error SLUICE_SPOOL_FULL: .* at 92 % of its limits; outcome records lost: 1 accepted/)
})
