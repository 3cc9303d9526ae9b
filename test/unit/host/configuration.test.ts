// The configuration folder: complaints name file, line and key, and a bad file changes nothing.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { ConfigurationFolder } from '../../../plugins/host/configuration'

let folder = ''
let said: string[] = []

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-configuration-'))
  said = []
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text)
const open = (): ConfigurationFolder =>
  new ConfigurationFolder(folder, path.join(folder, 'shipped.yaml'), {
    notice: (text) => said.push(text),
    error: (text) => said.push(text),
  })

const egress = (ehlo: string): string => `
sources: { a: { ip: 192.0.2.1, ehlo: ${ehlo} } }
pools: { p: { a: 1 } }
streams: { s: { pool: p } }
default_stream: s
`

test('an empty folder is a good configuration without egress', () => {
  const { current } = open()
  expect(current.egress).toBeUndefined()
  expect(current.sluice.resolvers).toEqual([])
})

test('shaping.yaml lies over the shipped providers', () => {
  write('shipped.yaml', 'providers: { gmail: { connection_limit: 10, mx: [.google.com] } }')
  write('shaping.yaml', 'providers: { gmail: { connection_limit: 3 } }')
  expect(open().current.shaping.providers['gmail']).toMatchObject({ connection_limit: 3, mx: ['.google.com'] })
})

test('a bad file at first use is an error with file, line and key of everything wrong in all files', () => {
  write('egress.yaml', 'sources: {}\nbananas: 1\n')
  write('sluice.yaml', 'recipient: maybe\n')
  expect(() => open().current).toThrow(/sluice.yaml:1: recipient[^]*egress.yaml:2: bananas/)
})

test('a change is told, a bad change is refused with its place, and the last good one stays', () => {
  write('egress.yaml', egress('mail.example.com'))
  const configuration = open()
  const seen: string[] = []
  configuration.onChange(({ egress: now }) => seen.push(JSON.stringify(now?.sources['a'])))
  expect(configuration.current.egress).toBeDefined()

  write('egress.yaml', egress('other.example.com'))
  expect(configuration.reload()).toBe(true)
  expect(seen).toEqual([expect.stringContaining('other.example.com')])

  write('egress.yaml', egress('-bad-'))
  expect(configuration.reload()).toBe(false)
  expect(said.at(-1)).toMatch(/egress\.yaml:2: sources\.a/)
  expect(JSON.stringify(configuration.current.egress)).toContain('other.example.com')

  write('egress.yaml', egress('other.example.com'))
  expect(configuration.reload()).toBe(false)
  expect(seen).toHaveLength(1)
})

test('a changed file is noticed without being asked', async () => {
  const configuration = open()
  configuration.start()
  expect(configuration.current.sluice.recipient).toBe('plain')
  const changed = new Promise<string>((resolve) => configuration.onChange((now) => resolve(now.sluice.recipient)))
  write('sluice.yaml', 'recipient: omit\n')
  await expect(changed).resolves.toBe('omit')
  configuration.close()
})
