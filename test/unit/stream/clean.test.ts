import fc from 'fast-check'
import { expect, test } from 'vitest'

import { cleanMessageId, cleanName } from '../../../plugins/stream/clean'

test.each([
  ['acme', 'acme'],
  ['  acme\r\n corp\t', 'acme corp'],
  ['acme\r\nBcc: victim@x.test', 'acme Bcc: victim@x.test'],
  ['a\u0000b\u202ec', 'a b c'],
  ['Müller & Söhne', 'Müller & Söhne'],
  ['x'.repeat(500), 'x'.repeat(128)],
  [' \r\n ', ''],
])('%j becomes the name %j', (value, name) => {
  expect(cleanName(value)).toBe(name)
})

test('whatever is written, a name is one bounded line without control characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (value) => {
      const name = cleanName(value)
      expect(Array.from(name).length).toBeLessThanOrEqual(128)
      expect(name).not.toMatch(/\p{Cc}|\p{Cf}|^\s|\s$/u)
      expect(JSON.parse(JSON.stringify(name))).toBe(name)
    }),
  )
})

test.each([
  ['<abc@x.test>\n', 'abc@x.test'],
  ['(comment) <abc@x.test>', 'abc@x.test'],
  ['abc', 'abc'],
  ['<a\r\n b@x.test>', 'ab@x.test'],
  ['', ''],
])('%j is the Message-ID %j', (value, id) => {
  expect(cleanMessageId(value)).toBe(id)
})
