// Who changed what and why: from ClickHouse, with what has not been shipped there yet; and the routing documents.

import { z } from 'zod'

import { routingSchema } from '@sluice/core/routing/table'

import { ask } from '../../clickhouse/ask'
import { query as sqlOf } from '../../clickhouse/shipped'
import { route, type Route } from '../route'
import type { Services } from '../services'
import { nameShape, timeShape } from '../shapes'
import { momentOf, momentShape } from './outcomes'
import { documentNow } from './weights'

const auditSql = sqlOf('audit')

const entryShape = z
  .object({
    id: z.string(),
    at: timeShape,
    action: z.string(),
    state: z.string().meta({ description: 'asked (what became of it is not known), done or failed' }),
    author: z.string(),
    reason: z.string(),
    token: z.string().meta({ description: 'name of the token used' }),
    pool: z.string(),
    provider: z.string(),
    source: z.string(),
    details: z.unknown(),
    error: z.string(),
    routing_version: z.int(),
    request_id: z.string(),
    host: z.string(),
  })
  .meta({ id: 'AuditEntry' })
type Entry = z.infer<typeof entryShape>

const auditQuery = z.strictObject({
  source: nameShape.optional(),
  author: nameShape.optional(),
  since: momentShape.default('30d'),
  limit: z.coerce.number().int().min(1).max(10_000).default(100),
})

const entryOf = (row: Record<string, unknown>): Entry => {
  const text = (key: string): string => (typeof row[key] === 'string' ? row[key] : '')
  return {
    id: text('id'),
    at: Number(row['at']),
    action: text('action'),
    state: text('state'),
    author: text('author'),
    reason: text('reason'),
    token: text('token'),
    pool: text('pool'),
    provider: text('provider'),
    source: text('source'),
    details: JSON.parse(text('details') || '{}') as unknown,
    error: text('error'),
    routing_version: Number(row['routing_version'] ?? 0),
    request_id: text('request_id'),
    host: text('host'),
  }
}

export const auditRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/audit',
    scope: 'read',
    name: 'readAudit',
    says: 'Changes with author and reason, newest first',
    query: auditQuery,
    answer: z.object({ entries: z.array(entryShape) }),
    handle: async ({ query, signal }) => {
      const since = momentOf(query.since, services.now())
      const { source = '', author = '', limit } = query
      const params = { since, source, author, limit }
      // The journal first: what is shipped between the two questions is then in both, not in neither.
      const waiting = (await services.audit.next())?.rows ?? []
      const kept = await ask<Record<string, unknown>>(services.database.demand(), auditSql, params, signal)
      const entries = new Map<string, Entry>()
      for (const row of [...kept, ...waiting]) {
        const entry = entryOf(row)
        const wanted = entry.at >= since && (!source || entry.source === source) && (!author || entry.author === author)
        if (wanted && !(entry.state === 'asked' && entries.has(entry.id))) entries.set(entry.id, entry)
      }
      return { entries: [...entries.values()].sort((a, b) => b.at - a.at).slice(0, limit) }
    },
  }),
  route({
    method: 'get',
    path: '/v1/routing',
    scope: 'read',
    name: 'readRouting',
    says: 'The routing document in force, as the workers have it, and those before it, newest first',
    query: z.strictObject({ history: z.coerce.number().int().min(0).max(200).default(0) }),
    answer: z.object({ document: routingSchema.nullable(), stale: z.boolean(), history: z.array(routingSchema) }),
    handle: async ({ query: { history } }) => {
      const { document, stale } = await documentNow(services)
      const before = history > 0 && !stale ? await services.publisher.history(history) : []
      return { document: document.version === 0 ? null : document, stale, history: [...before] }
    },
  }),
]
