// Answers of the sidecar as text for people. Pure.

import type {
  AuditAnswer,
  MessageAnswer,
  OutcomeRow,
  ScoresAnswer,
  SqlAnswer,
  TermsAnswer,
  WeightsAnswer,
} from './answers'
import { sayTable, sayTime, type Cell } from './table'

type WeightRow = WeightsAnswer['lanes'][number]['weights'][number]

const percent = (part: number): string => `${(part * 100).toFixed(1)} %`

const why = ({ override, suspension, factors }: WeightRow): string => {
  if (suspension) return `suspended by ${suspension.author}: ${suspension.reason}${sayEnd(suspension.until)}`
  if (override) return `override by ${override.author}: ${override.reason}${sayEnd(override.until)}`
  return factors.reputation < 1 ? `reputation ${factors.reputation.toPrecision(3)}` : ''
}

const sayEnd = (until: number | undefined): string => (until === undefined ? '' : ` (until ${sayTime(until)})`)

export const showWeights = ({ version, at, stale, lanes }: WeightsAnswer): string => {
  const rows = lanes.flatMap(({ pool, provider, weights }) =>
    weights.map((one): Cell[] => [
      pool,
      provider,
      one.source,
      one.factors.base,
      one.weight,
      percent(one.share),
      why(one),
    ]),
  )
  const head = version === 0 ? 'base weights; nothing published yet' : `routing version ${version} of ${sayTime(at)}`
  const table = sayTable(['pool', 'provider', 'source', 'base', 'weight', 'share', 'why'], rows)
  return `${head}${stale ? ' (Redis is away: last known)' : ''}\n\n${table}`
}

export const showScores = ({ at, scores }: ScoresAnswer): string => {
  const rows = scores.map((one): Cell[] => [
    one.pool,
    one.provider,
    one.source,
    one.weight,
    one.multiplier,
    one.because,
    one.target,
    one.standing.observed,
    one.standing.expected,
    one.listing.suspicion,
  ])
  const heads = [
    'pool',
    'provider',
    'source',
    'weight',
    'multiplier',
    'because',
    'target',
    'observed',
    'expected',
    'listed',
  ]
  return `${at === 0 ? 'not scored yet' : `scored ${sayTime(at)}`}\n\n${sayTable(heads, rows)}`
}

const firstLine = (reply: string): string => reply.split('\n')[0]?.slice(0, 80) ?? ''

export const showOutcomes = (outcomes: readonly OutcomeRow[]): string =>
  sayTable(
    ['at', 'kind', 'recipient', 'provider', 'source', 'code', 'class', 'blame', 'reply'],
    outcomes.map((one): Cell[] => [
      sayTime(one.at),
      one.kind,
      one.recipient,
      one.provider,
      one.source,
      one.code === 0 ? undefined : one.code,
      one.class,
      one.blame,
      firstLine(one.reply),
    ]),
  )

export const showMessage = ({ id, outcomes, choices }: MessageAnswer): string => {
  const happened = sayTable(
    ['at', 'attempt', 'kind', 'recipient', 'by', 'mx host', 'chance', 'class', 'reply'],
    outcomes.map((one): Cell[] => [
      sayTime(one.at),
      one.attempt,
      one.kind,
      one.recipient,
      one.source,
      one.mx_host,
      one.propensity > 0 ? percent(one.propensity) : '',
      one.class,
      firstLine(one.reply),
    ]),
  )
  const choice = choices.map(({ routing_version, pool, provider, known, published_because, published_at, weights }) => {
    const head = `choice in pool ${pool} towards ${provider}, routing version ${routing_version}`
    if (!known) return `${head}: no longer kept`
    const because = routing_version === 0 ? 'base weights' : `${sayTime(published_at)}, ${published_because}`
    const rows = weights.map((one): Cell[] => [one.source, one.factors.base, one.weight, percent(one.share), why(one)])
    return `${head} (${because})\n${sayTable(['source', 'base', 'weight', 'share', 'why'], rows)}`
  })
  return [`message ${id}`, happened, ...choice].join('\n\n')
}

export const showAudit = ({ entries }: AuditAnswer): string =>
  sayTable(
    ['at', 'action', 'state', 'author', 'source', 'provider', 'pool', 'reason'],
    entries.map((one): Cell[] => [
      sayTime(one.at),
      one.action,
      one.state,
      one.author,
      one.source,
      one.provider || '*',
      one.pool || '*',
      one.error ? `${one.reason} (${one.error})` : one.reason,
    ]),
  )

export const showTerms = ({ overrides, suspensions }: TermsAnswer): string =>
  sayTable(
    ['id', 'source', 'provider', 'pool', 'weight', 'until', 'author', 'reason'],
    [
      ...overrides.map((one): Cell[] => [
        one.id,
        one.source,
        one.provider ?? '*',
        one.pool ?? '*',
        one.weight,
        sayTime(one.until),
        one.author,
        one.reason,
      ]),
      ...suspensions.map((one): Cell[] => [
        one.id,
        one.source ?? '*',
        one.provider ?? '*',
        one.pool ?? '*',
        'suspended',
        sayTime(one.until),
        one.author,
        one.reason,
      ]),
    ],
  )

const sqlCell = (value: unknown): Cell =>
  typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean' ? value : JSON.stringify(value)

export const showSql = ({ columns, rows }: SqlAnswer): string =>
  sayTable(
    columns.map(({ name }) => name),
    rows.map((row) => row.map(sqlCell)),
  )
