// The pages that people read name what there is, and nothing that there is not.
import { readFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { readSidecar } from '@sluice/core/config/sidecar'
import { errorCodes } from '@sluice/core/errors'
import { allRoutes } from '@sluice/sidecar/http/routes/all'
import type { Services } from '@sluice/sidecar/http/services'
import { Metrics } from '@sluice/sidecar/metrics/metrics'

const page = (name: string): string => readFileSync(path.join(__dirname, '../../../docs', name), 'utf8')

describe('docs/http.md', () => {
  it('lists every route with its scope, and no other', () => {
    const routes = allRoutes({} as Services)
    const said = [...page('http.md').matchAll(/^\| `(GET|POST|DELETE|PUT) (\/v1\/[^?`]*)[^|]*\| (\S+) +\|/gm)].map(
      ([, method = '', route = '', scope = '']) => `${method} ${route} ${scope === '—' ? 'public' : scope}`,
    )
    const there = routes.map(({ method, path: route, scope }) => `${method.toUpperCase()} ${route} ${scope}`)
    expect(said.sort()).toEqual(there.sort())
  })
})

describe('every page', () => {
  it.each(['http.md', 'operations.md', 'scoring.md'])(
    '%s names only codes, metrics and parameters that exist',
    (name) => {
      const text = page(name)
      for (const [code] of text.matchAll(/SLUICE_(?!URL|TOKEN\b|CONFIG\b)[A-Z_]+/g))
        expect(errorCodes).toHaveProperty(code)
      const metrics = new Metrics({} as ConstructorParameters<typeof Metrics>[0])
      const names = metrics.registry.getMetricsAsArray().map((metric) => metric.name)
      for (const [metric] of text.matchAll(/\bsluice_[a-z_]+/g)) expect(names).toContain(metric)
    },
  )

  it('docs/scoring.md has every parameter with its default', () => {
    const { score } = readSidecar('sidecar.yaml', '')
    const rows = [...page('scoring.md').matchAll(/^\| (`[a-z_.]+`(?:, `[a-z_.]+`)*) +\| ([\d., ]+?) +\|/gm)]
    const said = rows.flatMap(([, keys = '', values = '']) => {
      const numbers = values.split(', ').map(Number)
      return [...keys.matchAll(/`([a-z_.]+)`/g)].map(([, key = ''], at): [string, number] => [key, numbers[at] ?? NaN])
    })
    const flat = (value: object, prefix = ''): [string, number][] =>
      Object.entries(value).flatMap(([key, one]: [string, unknown]) =>
        typeof one === 'object' && one !== null ? flat(one, `${prefix}${key}.`) : [[prefix + key, one as number]],
      )
    expect(said.sort()).toEqual(flat(score).sort())
  })
})
