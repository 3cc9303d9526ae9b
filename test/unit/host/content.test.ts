// The content of a message as it will stand in its queue file.

import { createRequire } from 'node:module'

import { expect, test } from 'vitest'

import type { MessageStream } from '../../../plugins/host/haraka'
import { contentOf, noteLines } from '../../../plugins/host/queue/content'

const Stream = createRequire(require.resolve('Haraka/package.json'))('haraka-message-stream') as new (
  settings: object,
  id: string,
  headers: string[],
) => MessageStream & { add_line_end(): void }

const messageOf = (headers: string[], lines: readonly string[]) => {
  const stream = new Stream({ main: {} }, 'ABC', headers)
  noteLines(stream)
  for (const line of lines) stream.add_line(Buffer.from(line))
  stream.add_line_end()
  return stream
}

const text = async (stream: MessageStream): Promise<string> => Buffer.concat(await contentOf(stream)).toString()

const lines = ['Subject: as submitted\r\n', '\r\n', 'one\r\n', '..two\r\n']

test('is the header as it is now and the body as it came', async () => {
  expect(await text(messageOf(['Subject: now\n'], lines))).toBe('Subject: now\r\n\r\none\r\n..two\r\n')
})

const body = 'one\r\n..two\r\n'
const received = 'Received: from a\r\n\tby b;\r\n\tnow\r\n'

test.each([
  ['a field in one piece', [received, 'A: b\r\n', '\r\n', 'one\r\n', '..two\r\n']],
  ['a piece that ends the header', [received, 'A: b\r\n\r\n', 'one\r\n', '..two\r\n']],
  ['a piece that begins the body', [received, 'A: b\r\n\r\none\r\n', '..two\r\n']],
  ['a piece that begins with the empty line', ['A: b\r\n', '\r\none\r\n', '..two\r\n']],
  ['a piece that ends in the middle of a line', ['A: ', 'b\r\n', '\r\n', 'one\r\n', '..two\r\n']],
  ['the end of the header between two pieces', ['A: b\r\n\r', '\none\r\n', '..two\r\n']],
])('the body begins after the first empty line: %s', async (_, pieces) => {
  expect(await text(messageOf(['A: now\n'], pieces))).toBe(`A: now\r\n\r\n${body}`)
})

test('is the same for whoever asks again', async () => {
  const stream = messageOf(['Subject: now\n'], lines)
  const first = await contentOf(stream)
  const whole = Buffer.concat(first).toString()
  first.length = 0
  expect(await text(stream)).toBe(whole)
})
