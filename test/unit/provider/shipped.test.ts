// The shipped providers: valid, without contradictions, and right about the receivers everybody sends to.

import { readFileSync } from 'node:fs'
import path from 'node:path'

import { readShaping } from '@sluice/core/config/shaping'
import { compileCatalogue } from '@sluice/core/provider/catalogue'
import { limitsOf } from '@sluice/core/shaping/limits'
import { expect, test } from 'vitest'

const file = path.join(__dirname, '../../../core/data/providers.yaml')
const text = readFileSync(file, 'utf8')
const shaping = readShaping('providers.yaml', text)
const providers = Object.entries(shaping.providers)

test('the file is valid, and every provider can be recognised', () => {
  expect(providers.length).toBeGreaterThan(40)
  for (const [id, { label, mx = [], domains = [] }] of providers) {
    expect(mx.length + domains.length, id).toBeGreaterThan(0)
    expect(label, id).toBeTruthy()
  }
})

test.each(['mx', 'domains'] as const)('no two providers claim the same %s', (key) => {
  const owners = new Map<string, string>()
  for (const [id, provider] of providers) {
    for (const suffix of provider[key] ?? []) {
      expect(owners.get(suffix), `${suffix}: ${id}`).toBeUndefined()
      owners.set(suffix, id)
    }
  }
})

test('every provider with limits says where they come from', () => {
  for (const [id, provider] of providers) {
    const facts = new Set(['label', 'mx', 'domains', 'source'])
    const limits = Object.keys(provider).filter((key) => !facts.has(key))
    for (const limit of limits) expect(provider.source, `${id}.${limit}`).toContain(limit)
  }
})

test.each([
  ['gmail.com', 'gmail-smtp-in.l.google.com', 'google'],
  ['example.com', 'aspmx.l.google.com', 'google'],
  ['yahoo.com', 'mta5.am0.yahoodns.net', 'yahoo'],
  ['hotmail.com', 'hotmail-com.olc.protection.outlook.com', 'microsoft_consumer'],
  ['example.com', 'example-com.mail.protection.outlook.com', 'microsoft_office365'],
  ['icloud.com', 'mx01.mail.icloud.com', 'apple'],
  ['web.de', 'mx-ha02.web.de', 'unitedinternet'],
  ['yahoo.co.jp', 'mx1.mail.yahoo.co.jp', 'yahoo_japan'],
  ['example.org', 'mail.example.org', 'example.org'],
])('mail for %s, whose MX host is %s, goes to %s', (domain, host, provider) => {
  expect(compileCatalogue(shaping).rollUp(domain, [host]).provider).toBe(provider)
})

test('limits come out of the file', () => {
  expect(limitsOf(shaping, { source: 'any', provider: 'google' })).toMatchObject({
    connection_limit: 5,
    messages_per_connection: 50,
    tls: 'required',
  })
  expect(limitsOf(shaping, { source: 'any', provider: 'example.org' })).toMatchObject({ connection_limit: 10 })
})

test('every rule of the classifier that a trigger names is there', () => {
  const folder = path.join(__dirname, '../../../core/data/bounce')
  const triggers = providers.flatMap(([, { reaction }]) => reaction?.triggers ?? [])
  expect(triggers.length).toBeGreaterThan(0)
  for (const { on } of triggers) {
    const [name, id] = on.rule?.split('/') ?? []
    if (name) expect(readFileSync(path.join(folder, `${name}.yaml`), 'utf8'), on.rule).toMatch(`- id: ${id}\n`)
  }
})
