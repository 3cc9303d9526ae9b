// The block list of one provider.

import { Listing, parseNetwork } from '@sluice/lab/behaviour/listing'
import { expect, test } from 'vitest'

test.each([
  ['127.0.0.5', '127.0.0.5', true],
  ['127.0.0.5', '127.0.0.6', false],
  ['127.0.0.0/24', '127.0.0.200', true],
  ['127.0.0.0/24', '127.0.1.0', false],
  ['200.1.2.3/8', '200.255.0.1', true],
  ['0.0.0.0/0', '255.255.255.255', true],
])('%s blocks %s: %s', (entry, ip, blocked) => {
  const listing = new Listing()
  listing.add(entry, 0, undefined, 'test')
  expect(listing.find(ip, 1) !== undefined).toBe(blocked)
})

test.each(['300.0.0.1', '1.2.3.4/33', '1.2.3.4/', '1.2.3.4/8/8', '::1', ''])('%s is no client address', (text) => {
  expect(parseNetwork(text)).toBeUndefined()
  expect(() => new Listing().add(text, 0, 1, 'test')).toThrow(RangeError)
})

test('an entry ends by itself, can be renewed and removed', () => {
  const listing = new Listing()
  listing.add('127.0.0.5', 0, 10, 'first')
  listing.add('127.0.0.5', 5000, 10, 'second')
  expect(listing.list(14_999)).toEqual([{ client_ip: '127.0.0.5', reason: 'second', since: 5000, until: 15_000 }])
  expect(listing.find('127.0.0.5', 15_000)).toBeUndefined()
  expect(listing.list(15_000)).toEqual([])
  listing.add('127.0.0.5', 0, undefined, 'third')
  expect([listing.remove('127.0.0.5'), listing.remove('127.0.0.5')]).toEqual([true, false])
})

test('a full list lets the entry go that ends first', () => {
  const listing = new Listing()
  for (let i = 0; i < 10_001; i++) listing.add(`10.0.${i >> 8}.${i & 255}`, 0, i === 7 ? 1 : 1000, 'many')
  expect(listing.list(0)).toHaveLength(10_000)
  expect(listing.find('10.0.0.7', 0)).toBeUndefined()
})
