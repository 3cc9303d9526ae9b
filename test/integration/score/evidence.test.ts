import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { blames, bounceClasses } from '@sluice/core/bounce/verdict'
import { outcomeKinds, type OutcomeRecord } from '@sluice/core/outcome/record'
import { trailLength } from '@sluice/core/score/listing'
import { countFor } from '@sluice/core/score/tally'
import { openClickHouse } from '@sluice/sidecar/clickhouse/open'
import { EvidenceReader, readTallies, readTrails } from '@sluice/sidecar/score/evidence'

import { runEngine, type Running } from '../engine/running'
import { blockedBy, insertOutcomes, outcome } from './outcomes'

let running: Running
let client: Awaited<ReturnType<typeof openClickHouse>>
const now = Date.now()

beforeAll(async () => {
  running = await runEngine()
  client = await openClickHouse({ engine: running.engine })
})
afterAll(async () => {
  await client.close()
  await running.end()
})

const fresh = async (rows: readonly OutcomeRecord[]): Promise<void> => {
  await client.command({ query: 'TRUNCATE TABLE outcomes' })
  await insertOutcomes(client, rows)
}

describe('tallies', () => {
  it('count every kind, class and blame as the pure rule does', async () => {
    const rows = outcomeKinds.flatMap((kind) =>
      bounceClasses.flatMap((bounceClass) =>
        blames.map((blame) =>
          outcome({ kind, class: bounceClass, blame, at: now, stream: `${kind} ${bounceClass} ${blame}` }),
        ),
      ),
    )
    await fresh(rows)
    const found = new Map((await readTallies(client, 3600, now)).map((tally) => [tally.stream, tally]))
    for (const row of rows) {
      const { stream = '', kind, class: bounceClass = 'other', blame = 'unknown' } = row
      const tally = found.get(stream)
      const counted = {
        delivered: tally?.delivered ?? 0,
        throttled: tally?.throttled ?? 0,
        blocked: tally?.blocked ?? 0,
      }
      const expected = countFor(kind, bounceClass, blame)
      const want = { delivered: 0, throttled: 0, blocked: 0, ...(expected && { [expected]: 1 }) }
      expect([stream, counted]).toEqual([stream, want])
    }
  })

  it('halve what is a half-life old, take nothing from beyond the window, and tell of the last refusal', async () => {
    const at = (age_s: number): number => now - age_s * 1000
    await fresh([
      outcome({ at: at(0) }),
      outcome({ at: at(100) }),
      blockedBy({ at: at(200) }),
      outcome({ at: at(100 * 9) }),
      outcome({ at: now + 5000 }), // another host's clock
      outcome({ source: '', at: at(0) }),
      outcome({ source: 'b', provider: '', at: at(0) }),
    ])
    const tallies = await readTallies(client, 100, now)
    expect(tallies).toHaveLength(1)
    const [tally] = tallies
    expect(tally?.delivered).toBeCloseTo(1 + 0.5 + 1, 6)
    expect(tally?.blocked).toBeCloseTo(0.25, 6)
    expect(tally).toMatchObject({
      delivered_count: 3,
      blocked_count: 1,
      last_refused_at: at(200),
      last_rule: 'test.block',
    })
  })
})

describe('trails', () => {
  it('are the latest outcomes of each source and provider, oldest first', async () => {
    const rows = Array.from({ length: trailLength + 10 }, (_, index) =>
      index % 3 === 0 ? blockedBy({ at: now - index * 1000 }) : outcome({ at: now - index * 1000 }),
    )
    await fresh([
      ...rows,
      outcome({ kind: 'deferred', class: 'rate_limited', blame: 'ip', at: now }),
      outcome({ source: 'b', provider: 'yahoo', at: now - 1 }),
      outcome({ source: 'b', provider: 'yahoo', at: now - 3_600_000 }),
    ])
    const trails = await readTrails(client, 60, now)
    const [a, b] = ['a', 'b'].map((source) => trails.find((trail) => trail.source === source))
    expect(a?.steps).toHaveLength(trailLength)
    expect(a?.steps.at(-1)).toEqual({ at: now, blocked: true })
    expect(a?.steps.map(({ at }) => at)).toEqual([...(a?.steps.map(({ at }) => at) ?? [])].sort((x, y) => x - y))
    expect(b?.steps).toEqual([{ at: now - 1, blocked: false }])
  })

  it('are read every round, tallies only when they are due', async () => {
    await fresh([outcome({ at: now })])
    const reader = new EvidenceReader()
    const parameters = { half_life_s: 2000, interval_s: 1, listing: { forgive_s: 60 } } as Parameters<
      EvidenceReader['read']
    >[1]
    await reader.read(client, parameters, now)
    await insertOutcomes(client, [outcome({ at: now, source: 'b' })])
    const soon = await reader.read(client, parameters, now + 1000)
    expect([soon.tallies.length, soon.trails.length]).toEqual([1, 2])
    const later = await reader.read(client, parameters, now + 100_000)
    expect(later.tallies).toHaveLength(2)
  })
})
