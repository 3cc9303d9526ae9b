import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'

import { sayComplaint } from '@sluice/core/config/document'
import { readEgress } from '@sluice/core/config/egress'
import { readShapingDocument } from '@sluice/core/config/shaping'
import { checkWarmups } from '@sluice/core/warmup/configured'
import { readPlans } from '@sluice/core/warmup/plan'

const file = path.join(__dirname, '../../../core/data/warmup.yaml')
const plans = Object.fromEntries(readPlans(file, readFileSync(file, 'utf8')))
const egress = readEgress(
  'egress.yaml',
  `
sources:
  a: { ip: 192.0.2.1, ehlo: a.test }
  r: { relay: { host: relay.test } }
pools: { main: { a: 1, r: 1 } }
streams: { bulk: { pool: main } }
default_stream: bulk
`,
)
const complaints = (warmup: string): string[] =>
  checkWarmups(readShapingDocument('shaping.yaml', `warmup:\n${warmup}`), plans, egress).map(sayComplaint)

it('finds nothing wrong with what is right', () => {
  expect(complaints("  - { source: a, plan: sparkpost, providers: { google: 0.4, '*': 0.6 } }\n")).toEqual([])
  expect(complaints('  - { source: r, plan: conservative }\n')).toEqual([])
  expect(complaints('  - { source: a, plan: conservative, providers: { google: 1, yahoo: 1 } }\n')).toEqual([])
})

it.each([
  ['an unknown source', '  - { source: b, plan: sparkpost }', 'shaping.yaml:2: warmup.0.source: no source is named b'],
  [
    'an unknown plan',
    '  - source: a\n    plan: fast',
    'shaping.yaml:3: warmup.0.plan: no plan is named fast; there are',
  ],
  ['no provider', '  - { source: a, plan: sparkpost, providers: {} }', 'warmup.0.providers: names no provider'],
  [
    'a lane twice',
    '  - { source: a, plan: sparkpost }\n  - { source: a, plan: sendgrid }',
    'shaping.yaml:3: warmup.1.providers.*: a is warmed up towards * twice',
  ],
  [
    'more than the whole',
    "  - { source: a, plan: sparkpost, providers: { google: 0.7, '*': 0.7 } }",
    "the shares of the address's volume add up to 1.4, more than 1",
  ],
  [
    'a relay towards one provider',
    '  - { source: r, plan: sparkpost, providers: { google: 1 } }',
    'warmup.0.providers.google: a relay is warmed up towards all providers together',
  ],
])('names file, line and key of %s', (_what, yaml, complaint) => {
  expect(complaints(`${yaml}\n`).join('\n')).toContain(complaint)
})
