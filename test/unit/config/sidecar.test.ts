import { readFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { readSidecar } from '@sluice/core/config/sidecar'

const complaintsOf = (text: string): string => {
  try {
    readSidecar('sidecar.yaml', text)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('sidecar.yaml', () => {
  it('may be empty: loopback, the embedded engine, sound parameters', () => {
    expect(readSidecar('sidecar.yaml', '')).toMatchObject({
      data: 'sidecar',
      http: { host: '127.0.0.1', port: 7025 },
      clickhouse: { database: 'sluice' },
      score: { half_life_s: 1800, explore: 0.05, listing: { onset: 1e-5 } },
    })
    expect(readSidecar('sidecar.yaml', '').clickhouse).not.toHaveProperty('url')
  })

  it('is shipped with the defaults spelled out', () => {
    const shipped = readFileSync(path.join(__dirname, '../../../haraka-config/config/sidecar.yaml'), 'utf8')
    expect(readSidecar('sidecar.yaml', shipped)).toEqual(readSidecar('sidecar.yaml', ''))
  })

  it.each([
    ['http: { port: 99999 }', 'sidecar.yaml:1: http.port:'],
    ['http:\n  host: example.com', 'sidecar.yaml:2: http.host: not an IP address'],
    ['clickhouse: { url: "ftp://x" }', 'clickhouse.url: an http:// or https:// URL'],
    ['clickhouse: { password: secret }', 'clickhouse.password'],
    ['clickhouse: { database: default }', 'clickhouse.database: a database of its own'],
    ['score:\n  prior: { min: 5, max: 2 }', 'sidecar.yaml:2: score.prior: `min` is greater than `max`'],
    ['score: { half_life_s: 1 }', 'score.half_life_s'],
    ['score: { explore: 0.9 }', 'score.explore'],
    ['scores: {}', 'sidecar.yaml:1: scores: unknown key'],
  ])('refuses %j by key', (text, complaint) => {
    expect(complaintsOf(text)).toContain(complaint)
  })
})
