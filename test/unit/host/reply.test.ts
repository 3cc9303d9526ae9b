// SMTP replies out of any pieces.

import fc from 'fast-check'
import { expect, test } from 'vitest'

import { ReplyParser, replyLimit, textOf, type Answer, type Reply } from '../../../plugins/host/smtp/reply'

const parse = (...chunks: string[]): Answer[] => {
  const parser = new ReplyParser()
  return chunks.flatMap((chunk) => parser.feed(chunk))
}

test.each([
  ['250 2.1.0 ok', 250, '2.1.0', 'ok'],
  ['450 4.7.28 rate', 450, '4.7.28', 'rate'],
  ['550 #5.1.1 no', 550, '5.1.1', 'no'],
  ['554 5.7.1: blocked', 554, '5.7.1', 'blocked'],
  ['250', 250, '', ''],
  ['250 ', 250, '', ''],
  ['220 mx.example.com 4.0 ready', 220, '', 'mx.example.com 4.0 ready'],
])('%s', (line, code, enhanced, text) => {
  const [answer] = parse(`${line}\r\n`)
  expect(answer).toEqual({ kind: 'reply', code, enhanced, lines: [line] })
  expect(textOf(answer as Reply)).toBe(text)
})

test('several lines are one reply, whose codes are those of the first', () => {
  expect(parse('550-5.7.1 first\r\n550-5.7.1 second\r\n550 5.7.1 last\r\n')).toEqual([
    {
      kind: 'reply',
      code: 550,
      enhanced: '5.7.1',
      lines: ['550-5.7.1 first', '550-5.7.1 second', '550 5.7.1 last'],
    },
  ])
})

test('bare line feeds end lines too', () => {
  expect(parse('250 a\n250 b\n')).toHaveLength(2)
})

test.each(['hello', '2500 x', '150 x', '25 x', '250_x', ''])('%j is no reply', (line) => {
  expect(parse(`${line}\r\n`)).toMatchObject([{ kind: 'fault', what: 'protocol' }])
})

test('nothing is read after a fault', () => {
  expect(parse('garbage\r\n250 ok\r\n', '250 ok\r\n')).toHaveLength(1)
})

test('a reply without end is a fault, and memory stays bounded', () => {
  const parser = new ReplyParser()
  const answers: Answer[] = []
  for (let n = 0; n < 100; n++) answers.push(...parser.feed(`250-${'x'.repeat(1000)}\r\n`))
  expect(answers).toMatchObject([{ kind: 'fault', what: 'protocol' }])
  const long = new ReplyParser()
  expect(long.feed('2'.repeat(replyLimit + 1))).toMatchObject([{ kind: 'fault' }])
})

test('however the network cuts it, the replies are the same', () => {
  const line = fc.record({ code: fc.constantFrom(220, 250, 354, 421, 550), text: fc.stringMatching(/^[ -~]{0,40}$/) })
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 })
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 10 }), cuts, (lines, sizes) => {
      const stream = lines.map(({ code, text }) => `${code} ${text}\r\n`).join('')
      const chunks: string[] = []
      let at = 0
      for (const size of sizes) {
        chunks.push(stream.slice(at, at + size))
        at += size
      }
      chunks.push(stream.slice(at))
      expect(parse(...chunks)).toEqual(parse(stream))
      expect(parse(stream)).toHaveLength(lines.length)
    }),
  )
})
