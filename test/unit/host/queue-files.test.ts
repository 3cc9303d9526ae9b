// Queue files are complete or not there.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { QueueFiles } from '../../../plugins/host/queue/files'

let folder = ''
const complaints: string[] = []
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-files-'))
  complaints.length = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = (name: string): string => path.join(folder, name)

const files = (): QueueFiles => new QueueFiles((text) => complaints.push(text))

test('a file is there when it is written, and gone when it is removed', async () => {
  const queue = files()
  for (const name of ['a', 'b', 'c']) {
    await queue.write(at(`tmp.${name}`), at(name), Buffer.from(name.repeat(10_000)))
    expect(readFileSync(at(name), 'utf8')).toBe(name.repeat(10_000))
  }
  expect(readdirSync(folder)).toEqual(['a', 'b', 'c'])
  expect(await queue.read(at('a'), 100)).toEqual({ bytes: Buffer.from('a'.repeat(100)), size: 10_000 })
  queue.remove(at('a'))
  queue.remove(at('nothing'))
  await expect.poll(() => readdirSync(folder)).toEqual(['b', 'c'])
  expect(complaints).toEqual([])
})

test('what cannot be written leaves nothing behind', async () => {
  const queue = files()
  await expect(queue.write(at('no/tmp'), at('file'), Buffer.from('x'))).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(queue.write(at('tmp'), at('no/file'), Buffer.from('x'))).rejects.toMatchObject({ code: 'ENOENT' })
  writeFileSync(at('taken'), 'x')
  await expect(queue.write(at('taken'), at('file'), Buffer.from('y'))).rejects.toMatchObject({ code: 'EEXIST' })
  expect(readFileSync(at('taken'), 'utf8')).toBe('x')
  expect(readdirSync(folder).filter((name) => name !== 'taken')).toEqual([])
  await expect(queue.read(at('nothing'), 10)).rejects.toMatchObject({ code: 'ENOENT' })
})
