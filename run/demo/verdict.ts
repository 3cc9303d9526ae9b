// The end of the demo: are the accounts exact, has every recipient had its last word, and did the traffic leave the
// listed source and come back? Reads ClickHouse through the API and the truth from the lab.

import { z } from 'zod'

import type { Api } from '../api'
import type { LabProcess, TruthRow } from '../lab'
import { accountTable, differences, replyOf, type Difference, type Entry } from './accounts'
import { spansOf, type Script, type Span } from './script'

export interface Verdict {
  readonly differences: readonly Difference[]
  /** Recipients that Haraka accepted from the campaign, those recorded as accepted, those with exactly one last word. */
  readonly accepted: number
  readonly recorded: number
  readonly ended: number
  /** Recipients with more than one last word. */
  readonly twice: number
  readonly shares: readonly SpanShare[]
  readonly lines: readonly string[]
  readonly exact: boolean
}

/** Share of the listed source in its pool's attempts in one span, at its provider and everywhere else. */
export interface SpanShare {
  readonly span: 'before' | 'during' | 'after'
  readonly there: number
  readonly elsewhere: number
}

const heardSchema = z.object({
  provider: z.string(),
  source: z.string(),
  code: z.coerce.number(),
  count: z.coerce.number(),
})
const heardQuery = `
SELECT provider, source, code, count() AS count
FROM outcomes
WHERE kind IN ('tried', 'delivered', 'deferred', 'bounced', 'expired') AND code > 0
GROUP BY provider, source, code`

const wordsSchema = z.object({ recorded: z.coerce.number(), ended: z.coerce.number(), twice: z.coerce.number() })
/** Notices of non-delivery have no sender and are not the campaign's. */
const wordsQuery = `
SELECT countIf(acceptances = 1) AS recorded, countIf(words = 1) AS ended, countIf(words > 1) AS twice
FROM (
  SELECT
    message_id,
    recipient,
    countIf(kind = 'accepted') AS acceptances,
    countIf(kind IN ('delivered', 'bounced', 'expired')) AS words
  FROM outcomes
  WHERE sender_domain != '' AND recipient != ''
  GROUP BY message_id, recipient
)`

const shareSchema = z.object({ there: z.coerce.number(), elsewhere: z.coerce.number() })
const shareQuery = (script: Script, start: number, [from, to]: Span): string => `
SELECT
  countIf(provider = '${script.provider}' AND source = '${script.source}') / greatest(1, countIf(provider = '${script.provider}')) AS there,
  countIf(provider != '${script.provider}' AND source = '${script.source}') / greatest(1, countIf(provider != '${script.provider}')) AS elsewhere
FROM outcomes
WHERE pool = '${script.pool}' AND kind IN ('delivered', 'deferred', 'bounced', 'expired')
  AND at >= fromUnixTimestamp64Milli(${Math.round(start + from * 1000)})
  AND at < fromUnixTimestamp64Milli(${Math.round(start + to * 1000)})`

/** What the receivers said, by source instead of by address. */
export const saidBy = (truth: readonly TruthRow[], sourceOf: (ip: string) => string): Entry[] =>
  truth.flatMap(({ provider, client_ip, code, count }) => {
    const reply = replyOf(code)
    return reply ? [{ provider, source: sourceOf(client_ip), reply, count }] : []
  })

export const heard = async (api: Api): Promise<Entry[]> => {
  const rows = await api.sql(heardQuery, heardSchema)
  return rows.flatMap(({ provider, source, code, count }) => {
    const reply = replyOf(code)
    return reply ? [{ provider, source, reply, count }] : []
  })
}

export interface Case {
  readonly api: Api
  readonly lab: LabProcess
  readonly script: Script
  /** When the campaign began, ms since 1970. */
  readonly start: number
  /** Recipients that Haraka accepted from the campaign. */
  readonly accepted: number
  readonly sourceOf: (ip: string) => string
}

export const judge = async (one: Case): Promise<Verdict> => {
  const said = saidBy(await one.lab.truth(), one.sourceOf)
  const known = await heard(one.api)
  const wrong = differences(said, known)
  const [words = { recorded: 0, ended: 0, twice: 0 }] = await one.api.sql(wordsQuery, wordsSchema)
  const shares: SpanShare[] = []
  for (const [span, times] of Object.entries(spansOf(one.script)) as [SpanShare['span'], Span][]) {
    const [share] = await one.api.sql(shareQuery(one.script, one.start, times), shareSchema)
    if (share) shares.push({ span, ...share })
  }
  const { recorded, ended, twice } = words
  const exact = wrong.length === 0 && recorded === one.accepted && ended === one.accepted && twice === 0
  return {
    differences: wrong,
    accepted: one.accepted,
    ...words,
    shares,
    exact,
    lines: [
      'Replies, as the receivers said them (lab) and as they were recorded (ClickHouse); one number = both agree',
      ...accountTable(said, known),
      '',
      ...wrong.map((d) => `DIFFERENT  ${d.provider} ${d.source} ${d.reply}: said ${d.said}, recorded ${d.heard}`),
      `Recipients accepted ${one.accepted}, recorded ${recorded}; with one last word ${ended}, with more ${twice}`,
      ...sayShares(one.script, shares),
      '',
      exact ? 'The accounts are exact.' : 'THE ACCOUNTS ARE NOT EXACT.',
    ],
  }
}

const percent = (part: number): string => `${(part * 100).toFixed(1)} %`

const sayShares = ({ source, provider, pool }: Script, shares: readonly SpanShare[]): string[] => [
  `Share of ${source} in the traffic of pool ${pool}, at ${provider} (which listed it) and elsewhere:`,
  ...shares.map(
    ({ span, there, elsewhere }) => `  ${span.padEnd(8)}${percent(there).padStart(9)}${percent(elsewhere).padStart(9)}`,
  ),
]
