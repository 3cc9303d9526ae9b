// internet.yaml: the shipped one is good, and what is wrong is named with file, line and key.

import { domainWeights } from '@sluice/lab/internet/population'
import { readInternet } from '@sluice/lab/internet/schema'
import { shippedInternet } from '@sluice/lab/internet/shipped'
import { expect, test } from 'vitest'

const one = `
providers:
  one:
    domains: [one.test]
    mx:
      - { host: mx.one.test, address: 127.20.1.1 }
`

test('the shipped internet has a dozen providers, each with MX hosts and domains of its own under .test', () => {
  const { providers, domains } = shippedInternet()
  expect(Object.keys(providers)).toHaveLength(12)
  for (const provider of Object.values(providers)) {
    expect(provider.domains.length).toBeGreaterThan(0)
    expect(provider.domains.length).toBeLessThan(5)
    for (const name of [...provider.domains, ...provider.mx.map(({ host }) => host)]) expect(name).toMatch(/\.test$/)
  }
  expect(domains['acme.test']).toMatchObject({ provider: 'goggle' })
})

test('weights by domain add up to those of the providers and hosted domains', () => {
  const weights = domainWeights(shippedInternet())
  expect(weights['goggle.test']).toBe(15)
  expect(weights['acme.test']).toBe(2)
  expect(weights).not.toHaveProperty('broken.test')
})

test('defaults are filled in: a block list for everyone', () => {
  const { providers } = readInternet('i.yaml', one)
  expect(providers['one']).toMatchObject({
    weight: 1,
    service: { starttls: true, pipelining: true, size: 52_428_800 },
    behaviour: { block_list: { at: 'banner', entries: [] } },
  })
})

test.each([
  ['', 'i.yaml:1: providers:'],
  ['providers: {}', 'i.yaml:1: providers: at least one'],
  [one.replace('127.20.1.1', '192.0.2.1'), 'i.yaml:6: providers.one.mx.0.address: an IPv4 address in 127.0.0.0/8'],
  [`${one}    colour: red\n`, 'i.yaml:7: providers.one.colour: unknown key'],
  [`${one}    behaviour: { greylist: {} }\n`, 'i.yaml:7: providers.one.behaviour.greylist.seconds'],
  [
    `${one}    behaviour:\n      unknown_users: { reply: "250 fine" }\n`,
    'i.yaml:8: providers.one.behaviour.unknown_users.reply: a refusal begins with 4 or 5',
  ],
  [`${one}    behaviour: { unknown_users: { pattern: "(" } }\n`, 'unknown_users.pattern: not a regular expression'],
  [
    `${one}    service: { starttls: false }\n    behaviour: { require_tls: {} }\n`,
    'i.yaml:8: providers.one.behaviour.require_tls: needs service.starttls',
  ],
  [
    `${one}domains:\n  one.test: { provider: one }\n`,
    'i.yaml:8: domains.one.test: one.test is already a domain of one',
  ],
  [`${one}domains:\n  two.test: { provider: two }\n`, 'i.yaml:8: domains.two.test.provider: there is no provider two'],
  [`${one}domains:\n  two.test: {}\n`, 'i.yaml:8: domains.two.test: either provider or dns'],
  [`${one}      - { host: mx2.one.test, address: 127.20.1.1 }\n`, '127.20.1.1 is already an address of one'],
])('%j: %s', (text, complaint) => {
  expect(() => readInternet('i.yaml', text)).toThrow(complaint)
})
