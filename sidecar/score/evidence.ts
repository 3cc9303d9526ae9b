// Asks ClickHouse for what the score is made from: trails (short window, every round) and tallies (long window, asked
// again only when a twentieth of the half-life has passed, so that the cost stays the same whatever the half-life).

import type { ClickHouseClient } from '@clickhouse/client'

import type { SidecarConfig } from '@sluice/core/config/sidecar'
import { trailLength, type Trail } from '@sluice/core/score/listing'
import type { Evidence } from '@sluice/core/score/score'
import { blockClasses, countedKinds, doubtfulClasses, sourceBlames, type Tally } from '@sluice/core/score/tally'

import { query } from '../clickhouse/shipped'

/** A tally with what explains it to people. */
export interface ExplainedTally extends Tally {
  /** Outcomes as counted, without decay. */
  readonly delivered_count: number
  readonly throttled_count: number
  readonly blocked_count: number
  /** ms since 1970; 0 = none */
  readonly last_refused_at: number
  /** Id of the rule that classified the last refusal. */
  readonly last_rule: string
}

export interface ExplainedEvidence extends Evidence {
  readonly tallies: readonly ExplainedTally[]
}

const talliesSql = query('tallies')
const trailsSql = query('trails', { length: String(trailLength) })

const lists = {
  kinds: [...countedKinds],
  blames: [...sourceBlames],
  doubtful: [...doubtfulClasses],
  block: [...blockClasses],
}
/** What is older weighs less than 1/256 and is not read. */
const halfLives = 8
/** After so many times forgive_s a suspicion is down to 1/16. */
const forgiven = 4
const refreshPart = 20

type Parameters = SidecarConfig['score']

export class EvidenceReader {
  private tallies: readonly ExplainedTally[] = []
  private talliesAt = -Infinity
  private halfLife = 0

  /** @param now ms since 1970 */
  async read(client: ClickHouseClient, parameters: Parameters, now: number): Promise<ExplainedEvidence> {
    const { half_life_s, interval_s } = parameters
    const due = Math.max(interval_s, half_life_s / refreshPart) * 1000 * 0.9
    if (now - this.talliesAt >= due || now < this.talliesAt || this.halfLife !== half_life_s) {
      this.tallies = await readTallies(client, half_life_s, now)
      this.talliesAt = now
      this.halfLife = half_life_s
    }
    return { tallies: this.tallies, trails: await readTrails(client, parameters.listing.forgive_s, now), at: now }
  }
}

export const readTallies = async (
  client: ClickHouseClient,
  halfLifeS: number,
  now: number,
): Promise<readonly ExplainedTally[]> => {
  const params = {
    ...lists,
    now,
    half_life_ms: halfLifeS * 1000,
    since: Math.round(now - halfLives * halfLifeS * 1000),
  }
  const answer = await client.query({ query: talliesSql, query_params: params, format: 'JSONEachRow' })
  const rows = await answer.json<Record<keyof ExplainedTally, string | number>>()
  return rows.map((row) => ({
    source: String(row.source),
    provider: String(row.provider),
    stream: String(row.stream),
    delivered: Number(row.delivered),
    throttled: Number(row.throttled),
    blocked: Number(row.blocked),
    delivered_count: Number(row.delivered_count),
    throttled_count: Number(row.throttled_count),
    blocked_count: Number(row.blocked_count),
    last_refused_at: Math.max(0, Number(row.last_refused_at)),
    last_rule: String(row.last_rule),
  }))
}

export const readTrails = async (
  client: ClickHouseClient,
  forgiveS: number,
  now: number,
): Promise<readonly Trail[]> => {
  const params = { ...lists, since: Math.round(now - forgiven * forgiveS * 1000) }
  const answer = await client.query({ query: trailsSql, query_params: params, format: 'JSONEachRow' })
  const rows = await answer.json<{ source: string; provider: string; steps: [string | number, number][] }>()
  return rows.map(({ source, provider, steps }) => ({
    source,
    provider,
    steps: steps.map(([negated, blocked]) => ({ at: -Number(negated), blocked: blocked === 1 })).reverse(),
  }))
}
