import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { ClickHouseError } from '@clickhouse/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { cleanName, quarantineFolder } from '@sluice/sidecar/ingest/names'
import { split } from '@sluice/sidecar/ingest/quarantine'

const segment = 'h-1-1700000000000-00000001.ndjson'
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-quarantine-'))
  await mkdir(path.join(folder, quarantineFolder))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const good = (more: object = {}): string => JSON.stringify({ id: randomUUID(), at: 1.7e12, kind: 'delivered', ...more })
const accept = (): Promise<void> => Promise.resolve()

const run = async (lines: readonly (string | Buffer)[], rehearse: (lines: Buffer) => Promise<void> = accept) => {
  const content = Buffer.concat(lines.map((line) => Buffer.concat([Buffer.from(line), Buffer.from('\n')])))
  await writeFile(path.join(folder, segment), content)
  const counts = await split(folder, segment, rehearse)
  const clean = await readFile(path.join(folder, cleanName(segment)), 'utf8')
  const aside = await readFile(path.join(folder, quarantineFolder, segment), 'utf8')
  interface Aside {
    line: number
    reason: string
    raw?: string
    raw_base64?: string
  }
  const quarantined = aside
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Aside)
  return { counts, clean: clean.split('\n').filter(Boolean), quarantined }
}

describe('a segment with lines at fault', () => {
  it('is split: the good ones as they are, the others with reason and line number', async () => {
    const [first, last] = [good(), good({ unknown: { field: 1 } })]
    const { counts, clean, quarantined } = await run([
      first,
      'not json',
      '[]',
      '',
      JSON.stringify({ at: 1.7e12, kind: 'delivered' }),
      good({ at: 5 }),
      good({ kind: 'exploded' }),
      good({ code: 'x' }),
      last,
    ])
    expect(clean).toEqual([first, last])
    expect(quarantined.map(({ line }) => line)).toEqual([2, 3, 5, 6, 7, 8])
    expect(quarantined.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('JSON'),
      'not a JSON object',
      expect.stringContaining('id:'),
      'at: before the year 2000',
      expect.stringContaining('kind:'),
      expect.stringContaining('code:'),
    ])
    expect(quarantined[0]?.raw).toBe('not json')
    expect(counts).toEqual({ lines: 2, bytes: first.length + last.length + 2, quarantined: 6 })
  })

  it('keeps bytes that are not UTF-8 as base64', async () => {
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x00])
    const { quarantined } = await run([good(), bytes])
    expect(quarantined[0]?.raw_base64).toBe(bytes.toString('base64'))
  })

  it('is halved where only ClickHouse knows which lines are at fault', async () => {
    const all = Array.from({ length: 100 }, (_, at) => good({ reply: at % 40 === 7 ? 'poison' : 'fine' }))
    let rehearsals = 0
    const { clean, quarantined } = await run(all, (lines) => {
      rehearsals += 1
      if (!lines.includes('poison')) return Promise.resolve()
      return Promise.reject(
        new ClickHouseError({ message: 'cannot', code: '27', type: 'CANNOT_PARSE_INPUT_ASSERTION_FAILED' }),
      )
    })
    expect(quarantined.map(({ line }) => line)).toEqual([8, 48, 88])
    expect(clean).toEqual(all.filter((line) => !line.includes('poison')))
    expect(rehearsals).toBeLessThan(60)
  })

  it('is not judged by an error that has nothing to do with it', async () => {
    const away = new ClickHouseError({ message: 'memory', code: '241', type: 'MEMORY_LIMIT_EXCEEDED' })
    await expect(run([good(), 'x'], () => Promise.reject(away))).rejects.toBe(away)
  })

  it('comes out the same when it is split again', async () => {
    const lines = [good(), 'x', good()]
    const first = await run(lines)
    expect(await run(lines)).toEqual(first)
  })

  it('may have nothing good in it', async () => {
    const { counts } = await run(['x', 'y'])
    expect(counts).toEqual({ lines: 0, bytes: 0, quarantined: 2 })
  })
})
