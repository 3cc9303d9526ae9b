// The DNS of the model internet: what each question is answered.

import { zoneOf } from '@sluice/lab/dns/zone'
import { readInternet } from '@sluice/lab/internet/schema'
import { expect, test } from 'vitest'

const zone = zoneOf(
  readInternet(
    'i.yaml',
    `
dns: { ttl_s: 30, negative_ttl_s: 7 }
providers:
  one:
    domains: [one.test]
    mx:
      - { host: mx1.in.one.test, preference: 5, address: 127.20.1.1 }
      - { host: mx2.in.one.test, preference: 10, address: 127.20.1.2, down: true }
domains:
  hosted.test: { provider: one }
  bare.test: { provider: one, implicit_mx: true }
  null.test: { dns: null_mx }
  lost.test: { dns: no_address }
  broken.test: { dns: servfail }
  silent.test: { dns: drop }
`,
  ),
)

const say = (name: string, type: string): unknown => {
  const answer = zone(name, type)
  return answer.end === 'drop'
    ? 'drop'
    : [answer.rcode, answer.records.map(({ data }) => data), answer.authority.length]
}

test.each([
  [
    'one.test',
    'MX',
    [
      'NOERROR',
      [
        { preference: 5, exchange: 'mx1.in.one.test' },
        { preference: 10, exchange: 'mx2.in.one.test' },
      ],
      0,
    ],
  ],
  [
    'ONE.test',
    'MX',
    [
      'NOERROR',
      [
        { preference: 5, exchange: 'mx1.in.one.test' },
        { preference: 10, exchange: 'mx2.in.one.test' },
      ],
      0,
    ],
  ],
  [
    'hosted.test',
    'MX',
    [
      'NOERROR',
      [
        { preference: 5, exchange: 'mx1.in.one.test' },
        { preference: 10, exchange: 'mx2.in.one.test' },
      ],
      0,
    ],
  ],
  ['mx2.in.one.test', 'A', ['NOERROR', ['127.20.1.2'], 0]],
  ['mx1.in.one.test', 'AAAA', ['NOERROR', [], 1]],
  ['in.one.test', 'A', ['NOERROR', [], 1]],
  ['one.test', 'TXT', ['NOERROR', ['v=spf1 ?all'], 0]],
  ['bare.test', 'MX', ['NOERROR', [], 1]],
  ['bare.test', 'A', ['NOERROR', ['127.20.1.1'], 0]],
  ['null.test', 'MX', ['NOERROR', [{ preference: 0, exchange: '.' }], 0]],
  ['lost.test', 'MX', ['NOERROR', [{ preference: 10, exchange: 'mx.lost.test' }], 0]],
  ['mx.lost.test', 'A', ['NOERROR', [], 1]],
  ['nonsuch.one.test', 'A', ['NXDOMAIN', [], 1]],
  ['example.com', 'MX', ['NXDOMAIN', [], 1]],
  ['broken.test', 'MX', ['SERVFAIL', [], 0]],
  ['www.broken.test', 'A', ['SERVFAIL', [], 0]],
  ['mx.silent.test', 'A', 'drop'],
])('%s %s', (name, type, expected) => {
  expect(say(name, type)).toEqual(expected)
})

test('answers and their absence carry their times to live', () => {
  const [yes, no] = [zone('one.test', 'MX'), zone('nonsuch.one.test', 'MX')]
  expect(yes.end === 'answer' && yes.records[0]?.ttl).toBe(30)
  expect(no.end === 'answer' && no.authority[0]).toMatchObject({
    name: 'one.test',
    type: 'SOA',
    ttl: 7,
    data: { minimum: 7 },
  })
})
