// Outcomes: the recent ones by filter, and all of one message with the reasons for the way it took.

import { z } from 'zod'

import { bounceClasses } from '@sluice/core/bounce/verdict'
import { SluiceError } from '@sluice/core/errors'
import { outcomeFields, outcomeKinds } from '@sluice/core/outcome/record'
import { effectiveWeights } from '@sluice/core/routing/effective'
import type { RoutingDocument } from '@sluice/core/routing/table'

import { ask } from '../../clickhouse/ask'
import { query as sqlOf } from '../../clickhouse/shipped'
import { nothingPublished, parseDocument } from '../../routing/document'
import { route, type Route } from '../route'
import type { Services } from '../services'
import { factorsShape, nameShape, outcomeShape, overrideShape, suspensionShape, timeShape } from '../shapes'

/** Every field of the record, times as ms since 1970. */
const columns = Object.keys(outcomeFields)
  .map((name) => (name === 'at' ? 'toUnixTimestamp64Milli(outcomes.at) AS at' : name))
  .join(', ')
const recentSql = sqlOf('outcomes', { columns })
const messageSql = (key: string): string => sqlOf('message', { columns, key })
const documentsSql = sqlOf('routing_documents')

const dayMs = 86_400_000
const filter = z.string().min(1).max(320).optional()

/** A moment: ms since 1970, ISO 8601 with offset, or a time ago such as `15m`, `24h`, `7d`. */
export const momentShape = z
  .string()
  .regex(/^(\d{1,16}|\d{1,6}[smhd]|\d{4}-.{1,40})$/, 'ms since 1970, ISO 8601, or a time ago such as 15m, 24h, 7d')
const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: dayMs } as const

/** @throws RequestError-free: what cannot be read is 0, the beginning of time */
export const momentOf = (text: string, now: number): number => {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  if (amount !== undefined) return Math.max(0, now - Number(amount) * unitMs[unit as keyof typeof unitMs])
  const at = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isFinite(at) ? Math.max(0, at) : 0
}

const recentQuery = z.strictObject({
  recipient: filter,
  recipient_domain: filter,
  message_id: filter,
  provider: filter,
  source: filter,
  stream: filter,
  kind: z.enum(outcomeKinds).optional(),
  class: z.enum(bounceClasses).optional(),
  since: momentShape.default('24h'),
  limit: z.coerce.number().int().min(1).max(10_000).default(100),
})

const choiceShape = z.object({
  routing_version: z.int(),
  pool: z.string(),
  provider: z.string(),
  known: z.boolean().meta({ description: 'false: the document of that version is no longer kept' }),
  published_at: timeShape,
  published_by: z.string(),
  published_because: z.string(),
  weights: z.array(
    z.object({
      source: z.string(),
      weight: z.number(),
      share: z.number(),
      factors: factorsShape,
      override: overrideShape.optional(),
      suspension: suspensionShape.optional(),
    }),
  ),
})

interface Row extends Record<string, unknown> {
  readonly at: number
  readonly pool: string
  readonly provider: string
  readonly routing_version: number
}

const numeric = Object.entries(outcomeFields).flatMap(([name, { type }]) => (type instanceof z.ZodNumber ? [name] : []))

/** 64-bit numbers come as text. */
const plain = (row: Record<string, unknown>): Row =>
  ({ ...row, ...Object.fromEntries(numeric.map((name) => [name, Number(row[name])])) }) as unknown as Row

export const outcomeRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/outcomes',
    scope: 'read',
    name: 'listOutcomes',
    says: 'Recent outcomes, newest first',
    query: recentQuery,
    answer: z.object({ outcomes: z.array(outcomeShape) }),
    handle: async ({ query, signal }) => {
      const { since, limit, ...filters } = query
      const empty = { recipient: '', recipient_domain: '', message_id: '', provider: '', source: '', stream: '' }
      const params = { ...empty, kind: '', class: '', ...filters, since: momentOf(since, services.now()), limit }
      const rows = await ask<Record<string, unknown>>(services.database.demand(), recentSql, params, signal)
      return { outcomes: rows.map(plain) as never }
    },
  }),
  route({
    method: 'get',
    path: '/v1/messages/{id}',
    scope: 'read',
    name: 'explainMessage',
    says: 'Why a message took the way it took: all its outcomes, and the weights each choice was made from',
    params: z.object({ id: z.string().min(1).max(998) }),
    answer: z.object({
      id: nameShape,
      outcomes: z.array(outcomeShape),
      choices: z
        .array(choiceShape)
        .meta({ description: 'one for each routing version, pool and provider; base weights are those of today' }),
    }),
    handle: async ({ params: { id }, signal }) => {
      const rows = await rowsOf(services, id, signal)
      return { id, outcomes: rows as never, choices: await choicesOf(services, rows, signal) }
    },
  }),
]

/** @throws SluiceError SLUICE_HTTP_NOT_FOUND */
const rowsOf = async (services: Services, id: string, signal: AbortSignal): Promise<Row[]> => {
  const client = services.database.demand()
  for (const key of ['message_id', 'queue_id', 'header_message_id']) {
    const rows = await ask<Record<string, unknown>>(client, messageSql(key), { id }, signal)
    if (rows.length > 0) return rows.map(plain)
  }
  throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no outcome of a message ${id} is known`)
}

const choicesOf = async (
  services: Services,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<z.input<typeof choiceShape>[]> => {
  const { egress } = services.configuration.current
  const chosen = rows.filter(({ pool }) => pool !== '')
  if (!egress || chosen.length === 0) return []
  const documents = await documentsOf(services, [...new Set(chosen.map((row) => row.routing_version))], signal)
  const firsts = new Map(
    chosen.toReversed().map((row) => [JSON.stringify([row.routing_version, row.pool, row.provider]), row]),
  )
  return [...firsts.values()].reverse().map(({ routing_version, pool, provider, at }) => {
    const document = routing_version === 0 ? nothingPublished : documents.get(routing_version)
    const { weights } = effectiveWeights(egress, document, pool, provider, at)
    const total = weights.reduce((sum, { weight }) => sum + weight, 0)
    return {
      routing_version,
      pool,
      provider,
      known: document !== undefined,
      published_at: document?.at ?? 0,
      published_by: document?.by ?? '',
      published_because: document?.reason ?? '',
      weights: document ? weights.map((one) => ({ ...one, share: total > 0 ? one.weight / total : 0 })) : [],
    }
  })
}

const documentsOf = async (
  services: Services,
  versions: readonly number[],
  signal: AbortSignal,
): Promise<Map<number, RoutingDocument>> => {
  const wanted = versions.filter((version) => version > 0)
  const { last } = services.publisher
  const found = new Map(wanted.includes(last.version) ? [[last.version, last]] : [])
  const missing = wanted.filter((version) => !found.has(version))
  if (missing.length === 0) return found
  const client = services.database.demand()
  const rows = await ask<{ document: string }>(client, documentsSql, { versions: missing }, signal)
  for (const { document } of rows) {
    const parsed = parseDocument(document)
    found.set(parsed.version, parsed)
  }
  return found
}
