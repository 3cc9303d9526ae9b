// The content on its way out: no line ends the message early, the last line is complete, pieces join to the whole.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openBody, stuffed, wholeBody, wholeLimit, type Body } from '../../../plugins/host/smtp/body'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-body-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const joined = async (body: Body): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of body.chunks()) chunks.push(chunk)
  await body.close()
  return Buffer.concat(chunks).toString('latin1')
}

const fromFile = async (content: string): Promise<string> => {
  const file = path.join(folder, 'file')
  writeFileSync(file, `head${content}`, 'latin1')
  const body = await openBody(file, 4, 4 + Buffer.byteLength(content, 'latin1'))
  if ('kind' in body) throw new Error(body.text)
  return joined(body)
}

test.each([
  ['stored as it should be', '..dot\r\n..\r\ntext\r\n', '..dot\r\n..\r\ntext\r\n'],
  ['a line of one dot', 'a\r\n.\r\nRCPT TO:<x>\r\n', 'a\r\n..\r\nRCPT TO:<x>\r\n'],
  ['at the very beginning', '.hidden\r\n', '..hidden\r\n'],
  ['behind a bare line feed', 'a\n.\r\nb\r\n', 'a\n..\r\nb\r\n'],
  ['without an end of line', 'a', 'a\r\n'],
  ['with half an end of line', 'a\n', 'a\n\r\n'],
  ['empty', '', ''],
])('%s', async (_what, content, out) => {
  expect(await joined(wholeBody(Buffer.from(content, 'latin1')))).toBe(out)
  expect(await fromFile(content)).toBe(out)
})

describe('long messages', () => {
  const piece = fc.constantFrom('.', '..', '\r\n', '\n', 'x', '\r\n.\r\n', 'word '.repeat(10_000), 'y'.repeat(70_000))

  test('leave in pieces that join to what one piece would be', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 40 }), async (pieces) => {
        const content = pieces.join('') + 'z'.repeat(wholeLimit)
        const whole = stuffed(Buffer.from(content, 'latin1'), true).toString('latin1')
        expect(await joined(wholeBody(Buffer.from(content, 'latin1')))).toBe(`${whole}\r\n`)
        expect(await fromFile(content)).toBe(`${whole}\r\n`)
      }),
      { numRuns: 30 },
    )
  })
})

test('a file that is gone or cut is a fault of ours', async () => {
  expect(await openBody(path.join(folder, 'nothing'), 0, 10)).toMatchObject({ kind: 'fault', what: 'local' })
  writeFileSync(path.join(folder, 'short'), 'abc')
  expect(await openBody(path.join(folder, 'short'), 0, 10)).toMatchObject({ kind: 'fault', what: 'local' })
})
