import { expect, test } from 'vitest'

import { familiesOf, reachableHosts, v4, v6, type MxAddresses } from '@sluice/core/admission/reach'

const host = (name: string, preference: number, addresses: readonly string[]): MxAddresses => ({
  name,
  preference,
  v4: addresses.filter((one) => !one.includes(':')),
  v6: addresses.filter((one) => one.includes(':')),
})
const hosts = [
  host('mx1', 10, ['192.0.2.1', '2001:db8::1']),
  host('mx2', 20, ['2001:db8::2']),
  host('mx3', 30, ['192.0.2.3']),
]
const fixed = () => 0.5

test('families are those of any host', () => {
  expect(familiesOf(hosts)).toBe(v4 | v6)
  expect(familiesOf(hosts.slice(1, 2))).toBe(v6)
  expect(familiesOf([])).toBe(0)
})

test('a source without IPv6 skips hosts and addresses it cannot reach', () => {
  expect(reachableHosts(hosts, v4, fixed)).toEqual([
    { name: 'mx1', addresses: ['192.0.2.1'] },
    { name: 'mx3', addresses: ['192.0.2.3'] },
  ])
})

test('with both families the order of preference stays, IPv4 first', () => {
  expect(reachableHosts(hosts, v4 | v6, fixed)).toEqual([
    { name: 'mx1', addresses: ['192.0.2.1', '2001:db8::1'] },
    { name: 'mx2', addresses: ['2001:db8::2'] },
    { name: 'mx3', addresses: ['192.0.2.3'] },
  ])
})

test('equal preferences are shuffled, each order as often as any other; others never move', () => {
  const equal = [
    host('first', 5, ['192.0.2.9']),
    ...['a', 'b', 'c'].map((name) => host(name, 10, ['192.0.2.1'])),
    host('last', 20, ['192.0.2.9']),
  ]
  const seen = new Map<string, number>()
  for (let n = 0; n < 6000; n++) {
    const order = reachableHosts(equal, v4, Math.random).map((one) => one.name)
    expect([order[0], order.at(-1)]).toEqual(['first', 'last'])
    const middle = order.slice(1, -1).join('')
    seen.set(middle, (seen.get(middle) ?? 0) + 1)
  }
  expect(seen.size).toBe(6)
  for (const count of seen.values()) expect(count).toBeGreaterThan(800)
})
