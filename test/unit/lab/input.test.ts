// Commands and messages are cut out of the byte stream in the same way however it was split.

import { SmtpInput } from '@sluice/lab/receiver/input'
import fc from 'fast-check'
import { expect, test } from 'vitest'

/** Plays a stream in pieces; every line DATA begins a message. */
const play = (pieces: readonly Buffer[]): string[] => {
  const input = new SmtpInput()
  const seen: string[] = []
  for (const piece of pieces) {
    input.feed(piece)
    for (let item = input.next(); item; item = input.next()) {
      if (item.kind === 'message') seen.push(`message ${item.message.size} ${item.message.begin.toString('latin1')}`)
      else seen.push(item.kind === 'line' ? item.text : 'too long')
      if (item.kind === 'line' && item.text === 'DATA') input.beginMessage()
    }
  }
  return seen
}

const cut = (whole: Buffer, at: readonly number[]): Buffer[] => {
  const places = [...new Set(at.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, i) => whole.subarray(from, places[i]))
}

test('any split of a dialogue gives the same items', () => {
  const dialogue =
    'EHLO a\r\nMAIL FROM:<a@b>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\rnot the end\r\n\n.\r\n.\n.\r\nstill\r\n.\r\n' +
    'DATA\r\n.\r\nDATA\n.hidden\r\n\r\n.\r\nQUIT\r\n'
  const whole = play([Buffer.from(dialogue)])
  expect(whole).toEqual([
    'EHLO a',
    'MAIL FROM:<a@b>',
    'DATA',
    'message 52 Subject: x\r\n\r\n..dot\r\n.\rnot the end\r\n\n.\r\n.\n.\r\nstill\r\n',
    'DATA',
    'message 0 ',
    'DATA',
    'message 11 .hidden\r\n\r\n',
    'QUIT',
  ])
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 40 }), (at) => {
      expect(play(cut(Buffer.from(dialogue), at))).toEqual(whole)
    }),
  )
})

test('a line that is too long is refused as one line and forgotten', () => {
  const long = 'x'.repeat(100_000)
  expect(play([Buffer.from(`EHLO ${long}`), Buffer.from(long), Buffer.from('\r\nNOOP\r\n')])).toEqual([
    'too long',
    'NOOP',
  ])
  expect(play([Buffer.from(`EHLO ${'x'.repeat(4000)}\r\n`)])).toHaveLength(1)
})

test('of a large message the size is exact and only the beginning is kept', () => {
  const input = new SmtpInput()
  input.beginMessage()
  for (let i = 0; i < 100; i++) input.feed(Buffer.alloc(10_007, 'a'))
  expect(input.next()).toBeUndefined()
  input.feed(Buffer.from('\r\n.\r\n'))
  const item = input.next()
  expect(item?.kind === 'message' && [item.message.size, item.message.begin.length]).toEqual([1_000_702, 65_536])
  expect(input.waiting).toBe(0)
})

test('what was said before TLS is forgotten', () => {
  const input = new SmtpInput()
  input.feed(Buffer.from('STARTTLS\r\nMAIL FROM:<a@b>\r\n'))
  expect(input.next()).toEqual({ kind: 'line', text: 'STARTTLS' })
  input.discard()
  expect(input.next()).toBeUndefined()
})
