import { readFileSync } from 'node:fs'
import path from 'node:path'

import { expect, it } from 'vitest'

import { outcomeFields } from '@sluice/core/outcome/record'

it('docs/clickhouse.md has every column of the outcome record, with type and meaning', () => {
  const doc = readFileSync(path.resolve(__dirname, '../../../docs/clickhouse.md'), 'utf8')
  const section = doc.slice(doc.indexOf('### `outcomes`'), doc.indexOf('### `outcomes_1h`'))
  const rows = [...section.matchAll(/^\| `(\w+)`\s+\| `([^`]+)`\s+\| (.*?)\s+\|$/gm)].map(([, name, type, says]) => [
    name,
    type,
    says,
  ])
  const contract = Object.entries(outcomeFields).map(([name, { sql, says }]) => [name, sql, says])
  expect(rows.slice(0, -2)).toEqual(contract)
  expect(rows.slice(-2).map(([name]) => name)).toEqual(['segment', 'ingested_at'])
})
