// A provider composes behaviours: order, shared state, live changes, reset.

import { readInternet } from '@sluice/lab/internet/schema'
import { Provider } from '@sluice/lab/receiver/provider'
import { expect, test } from 'vitest'
import { ZodError } from 'zod'

import { situation } from './situation'

const providerOf = (behaviour: string): Provider => {
  const spec = readInternet(
    'i.yaml',
    `
providers:
  one:
    mx: [{ host: mx.one.test, address: 127.20.1.1 }]
    latency: { dot: 5 }
    behaviour: ${behaviour}
`,
  ).providers['one']
  if (!spec) throw new Error('no provider')
  return new Provider('one', spec, 'seed', () => 0)
}

const limited = '{ message_rate: { windows: [{ max: 1, per_s: 60 }] }, messages_per_connection: { max: 2 } }'

test('the first decision in the order of the catalogue stands', () => {
  const provider = providerOf(limited)
  expect(provider.decide('mail', situation({ nth: 3 }))?.by).toBe('messages_per_connection')
  // the refused message did not count in the rate, which is asked last
  expect(provider.decide('mail', situation({ nth: 1 }))).toBeUndefined()
  expect(provider.decide('mail', situation({ nth: 2 }))?.by).toBe('message_rate')
})

test('a change touches what it names and leaves the state of the rest', () => {
  const provider = providerOf(limited)
  provider.decide('mail', situation())
  provider.change({
    behaviour: { messages_per_connection: { max: 5 }, greylist: { seconds: 9 } },
    latency: { mail: 7 },
  })
  expect(provider.decide('mail', situation({ nth: 3 }))?.by).toBe('message_rate')
  expect(provider.decide('rcpt', situation())?.by).toBe('greylist')
  expect([provider.delay('mail'), provider.delay('dot')]).toEqual([7, 0])
  provider.change({ behaviour: { message_rate: null } })
  expect(provider.decide('mail', situation({ nth: 3 }))).toBeUndefined()
})

test('a bad change changes nothing', () => {
  const provider = providerOf(limited)
  const before = provider.describe()
  for (const bad of [
    { behaviour: { greylist: {} } },
    { behaviour: { nonsense: {} } },
    { service: { size: 1 } },
    { colour: 'red' },
  ]) {
    expect(() => provider.change(bad)).toThrow(ZodError)
  }
  expect(provider.describe()).toEqual(before)
})

test('reset goes back to the start', () => {
  const provider = providerOf(limited)
  provider.decide('mail', situation())
  provider.change({ service: { greeting: '220 other' }, behaviour: { greylist: { seconds: 9 } } })
  provider.listing.add('127.0.0.5', 0, undefined, 'test')
  provider.reset()
  expect(provider.describe().service.greeting).toBe('220 {host} ESMTP')
  expect(provider.decide('mail', situation())).toBeUndefined()
  expect(provider.decide('rcpt', situation())).toBeUndefined()
  expect(provider.listing.list(0)).toEqual([])
})

test('open connections are counted per client', () => {
  const provider = providerOf('{}')
  provider.enter('a')
  provider.enter('a')
  provider.enter('b')
  provider.leave('a')
  expect([provider.open('a'), provider.open('b'), provider.open('c')]).toEqual([1, 1, 0])
})
