// Paths and parameters of MAIL and RCPT; header fields of a message.

import { headerValue, messageIdOf } from '@sluice/lab/behaviour/message'
import { netblockOf, parseCommand, parsePath } from '@sluice/lab/receiver/command'
import { expect, test } from 'vitest'

test('a verb is taken without regard to case', () => {
  expect(parseCommand('mail FROM:<a@b>  ')).toEqual({ verb: 'MAIL', rest: 'FROM:<a@b>' })
  expect(parseCommand('QUIT')).toEqual({ verb: 'QUIT', rest: '' })
})

test.each([
  ['FROM:<a@b.test>', 'FROM', 'a@b.test'],
  ['from: <a@b.test> SIZE=100', 'FROM', 'a@b.test'],
  ['FROM:<>', 'FROM', ''],
  ['TO:<@relay.test:"odd one"@b.test>', 'TO', '"odd one"@b.test'],
] as const)('%s is a path', (text, direction, address) => {
  expect(parsePath(text, direction)?.address).toBe(address)
})

test.each([
  ['FROM:a@b.test', 'FROM'],
  ['TO:<>', 'TO'],
  ['TO:<a@b.test', 'TO'],
  ['FROM:<a@b.test>', 'TO'],
  ['TO:<a\u0000@b.test>', 'TO'],
  [`TO:<${'a'.repeat(330)}@b.test>`, 'TO'],
] as const)('%s is not', (text, direction) => {
  expect(parsePath(text, direction)).toBeUndefined()
})

test('parameters are read by keyword', () => {
  const path = parsePath('FROM:<a@b.test> size=12 SMTPUTF8 BODY=8BITMIME', 'FROM')
  expect([...(path?.parameters ?? [])]).toEqual([
    ['SIZE', '12'],
    ['SMTPUTF8', true],
    ['BODY', '8BITMIME'],
  ])
})

test('the netblock of an address is its /24', () => {
  expect(netblockOf('203.0.113.9')).toBe('203.0.113.0/24')
})

test('a header field is found by name, unfolded, in the header only', () => {
  const begin = Buffer.from('Subject: a\r\nX-One:\r\n two\r\n\tthree\r\nMESSAGE-ID: <1@x>\r\n\r\nX-Body: no')
  expect(headerValue(begin, 'x-one')).toBe('two\tthree')
  expect(headerValue(begin, 'X-Body')).toBeUndefined()
  expect(messageIdOf(begin)).toBe('1@x')
  expect(messageIdOf(Buffer.from('Subject: none\r\n\r\n'))).toBe('')
})
