// Counts stay exact while old facts leave memory; the high-water mark is the most that ever were there.

import { AttendanceBook } from '@sluice/lab/truth/attendance'
import { verdictOf, type NewFact } from '@sluice/lab/truth/event'
import { Truth } from '@sluice/lab/truth/truth'
import { expect, test } from 'vitest'

const delivered = (provider: string): NewFact => ({
  kind: 'recipient',
  provider,
  mx: 'mx',
  client_ip: '127.0.0.5',
  connection: 1,
  ehlo: 'x',
  stage: 'dot',
  code: 250,
  enhanced: '2.0.0',
  reply: '250 2.0.0 ok',
  verdict: 'delivered',
  by: '',
  tls: '',
  mail_from: 'a@b',
  rcpt: 'c@d',
  message_id: '',
  nth: 1,
  size: 1,
})

test('facts are numbered and dated, the oldest leave memory, the counts stay', () => {
  let now = 100
  const truth = new Truth(() => now++, undefined, 3)
  for (let i = 0; i < 10_000; i++) truth.record(delivered(i % 2 ? 'one' : 'two'))
  expect([truth.oldest, truth.newest]).toEqual([9998, 10_000])
  expect(truth.after(9998).map(({ seq, at }) => [seq, at])).toEqual([
    [9999, 10_098],
    [10_000, 10_099],
  ])
  expect(truth.after(0, 1).map(({ seq }) => seq)).toEqual([9998])
  expect(truth.after(10_000)).toEqual([])
  expect(truth.tally.count({ provider: 'one' })).toBe(5000)
  expect(truth.tally.count({ verdict: 'bounced' })).toBe(0)
  expect(truth.tally.list()).toMatchObject([
    { provider: 'one', count: 5000 },
    { provider: 'two', count: 5000 },
  ])
  truth.clear()
  expect([truth.tally.count(), truth.after(0).length]).toEqual([0, 0])
})

test('verdicts follow the class of the code', () => {
  expect([250, 251, 421, 550, 0].map(verdictOf)).toEqual([
    'delivered',
    'delivered',
    'deferred',
    'bounced',
    'unanswered',
  ])
})

test('the high-water mark counts connections at the same time; clearing keeps the open ones', () => {
  const book = new AttendanceBook()
  for (const at of [0, 1, 2]) book.opened('one', 'a', at)
  book.closed('one', 'a')
  book.opened('one', 'a', 5000)
  book.message('one', 'a', 0)
  book.message('one', 'a', 999)
  book.message('one', 'a', 1000)
  expect(book.of('one', 'a')).toEqual({
    provider: 'one',
    client_ip: 'a',
    open: 3,
    high_water: 3,
    opened: 4,
    refused: 0,
    messages: 3,
    messages_per_second: 2,
    messages_per_minute: 3,
    connections_per_second: 3,
    connections_per_minute: 4,
  })
  book.clear()
  expect(book.of('one', 'a')).toMatchObject({ open: 3, high_water: 3, opened: 0 })
})
