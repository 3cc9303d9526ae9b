import { describe, expect, it } from 'vitest'

import { ConfigError } from '@sluice/core/config/document'
import { readEgress } from '@sluice/core/config/egress'
import { mergeShaping, readShaping } from '@sluice/core/config/shaping'

const good = `
sources:
  a: { ip: 127.0.1.1, ehlo: a.example.com }
  relay: { relay: { host: smtp.example.com, username: u, password: { env: P } } }
pools:
  main:
    a: 3
    relay: 1
streams:
  bulk: { pool: main }
default_stream: bulk
`

const complaintsOf = (text: string): string[] => {
  try {
    readEgress('egress.yaml', text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

describe('egress.yaml', () => {
  it('is read with its defaults', () => {
    const config = readEgress('egress.yaml', good)
    expect(config.headers.tenant).toBe('X-Sluice-Tenant')
    expect(config.sources['relay']).toMatchObject({ relay: { port: 587, tls: 'required' } })
  })

  it.each([
    ['an unknown key', good + 'colour: red\n', 'egress.yaml:12: colour: unknown key'],
    ['a weight below zero', good.replace('a: 3', 'a: -3'), /^egress\.yaml:7: pools\.main\.a: /],
    [
      'a source nobody defined',
      good.replace('relay: 1', 'ghost: 1'),
      'egress.yaml:8: pools.main.ghost: no source is named ghost',
    ],
    [
      'a pool nobody defined',
      good.replace('pool: main', 'pool: spare'),
      'egress.yaml:10: streams.bulk.pool: no pool is named spare',
    ],
    ['a missing default stream', good.replace('default_stream: bulk', ''), /default_stream: /],
    [
      'a user without password',
      good.replace(', password: { env: P }', ''),
      /^egress\.yaml:4: sources\.relay\.relay: .*go together/,
    ],
    ['an address that is none', good.replace('127.0.1.1', '127.0.1.999'), /^egress\.yaml:3: sources\.a/],
    ['a key written twice', good + 'pools: {}\n', /^egress\.yaml:12: /],
    ['broken YAML', 'sources: [', /^egress\.yaml:1: /],
    [
      'an alias bomb',
      `a: &a [x,x]\nb: &b [*a,*a]\n${Array.from(
        { length: 12 },
        (_, i) =>
          `c${i}: &c${i} [${Array(9)
            .fill(i ? `*c${i - 1}` : '*b')
            .join(',')}]`,
      ).join('\n')}\n`,
      /^egress\.yaml:1: /,
    ],
  ])('refuses %s, naming file, line and key', (_what, text, complaint) => {
    const complaints = complaintsOf(text)
    expect(complaints.some((one) => (typeof complaint === 'string' ? one === complaint : complaint.test(one)))).toBe(
      true,
    )
  })

  it('tells everything that is wrong at once', () => {
    expect(complaintsOf(good.replace('a: 3', 'ghost: 3').replace('pool: main', 'pool: spare'))).toHaveLength(2)
  })
})

describe('shaping.yaml', () => {
  it("lays the operator's values over the shipped ones, key by key", () => {
    const shipped = readShaping('providers.yaml', 'providers: { google: { mx: [.google.com], connection_limit: 5 } }')
    const own = readShaping(
      'shaping.yaml',
      'defaults: { connection_limit: 9 }\nproviders: { google: { connection_limit: 2 } }',
    )
    expect(mergeShaping(shipped, own)).toMatchObject({
      defaults: { connection_limit: 9 },
      providers: { google: { mx: ['.google.com'], connection_limit: 2 } },
    })
  })
})
