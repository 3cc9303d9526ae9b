// The suppression list: looked up with its evidence, changed by operators, imported and exported as CSV.

import { Readable } from 'node:stream'

import { z } from 'zod'

import { csvHead, csvLine, type ListedSuppression } from '@sluice/core/suppression/csv'
import { readScope, sayScope, suppressionReasons, type Suppression } from '@sluice/core/suppression/entry'

import { page } from '../../suppression/ledger'
import { askerOf, futureEnd } from '../asker'
import { RequestError } from '../problem'
import { Raw, rawBody, route, type Route } from '../route'
import type { Services } from '../services'
import { changeFields, oneEnd, termFields, timeShape } from '../shapes'

const address = z.string().trim().min(1).max(320).meta({ description: 'mail address, or the hash that stands for it' })
const scopeText = z
  .string()
  .max(800)
  .transform((text, context) => {
    const scope = readScope(text)
    if (scope) return scope
    context.addIssue({ code: 'custom', message: 'global, tenant:NAME, stream:NAME or stream:TENANT/NAME' })
    return z.NEVER
  })
const scope = scopeText.prefault('global').meta({ description: 'global, tenant:NAME, stream:NAME, stream:TENANT/NAME' })
const reason = z.enum(suppressionReasons)

const entryShape = z
  .object({
    address: z.string(),
    scope: z.string(),
    reason,
    evidence: z.string().meta({ description: 'id of the outcome; empty where an operator acted' }),
    since: timeShape,
    until: timeShape.optional().meta({ description: 'absent: for good' }),
    author: z.string(),
    note: z.string(),
  })
  .meta({ id: 'Suppression' })

const shown = ({ scope: where, ...rest }: ListedSuppression): z.input<typeof entryShape> => ({
  ...rest,
  scope: sayScope(where),
})
const shownBare = (one: Suppression): z.input<typeof entryShape> => shown({ ...one, author: '', note: '' })

const csvType = 'text/csv'

async function* csvOf(entries: AsyncIterable<readonly ListedSuppression[]>): AsyncGenerator<string> {
  yield csvHead
  for await (const some of entries) yield some.map(csvLine).join('')
}

export const suppressionRoutes = (services: Services): Route[] => [
  ...readingRoutes(services),
  ...changeRoutes(services),
]

const readingRoutes = ({ suppressions, database, now }: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/suppressions',
    scope: 'read',
    name: 'listSuppressions',
    says: 'What holds for an address, in every scope; without address a page of the whole list',
    query: z.strictObject({
      address: address.optional(),
      reason: reason.optional(),
      after: z.string().max(1200).optional().meta({ description: '`next` of the page before' }),
      limit: z.coerce.number().int().min(1).max(10_000).default(100),
    }),
    answer: z.object({
      suppressions: z.array(entryShape),
      next: z.string().optional().meta({ description: 'where the next page begins; absent on the last one' }),
    }),
    handle: async ({ query, signal }) => {
      if (query.address !== undefined) return { suppressions: (await suppressions.of(query.address)).map(shown) }
      const { limit, reason: only = '' } = query
      const after = query.after === undefined ? undefined : placeOf(query.after)
      const found = await page(
        database.demand(),
        { now: now(), reason: only, limit: limit + 1, ...(after && { after }) },
        signal,
      )
      const shownOnes = found.slice(0, limit)
      const last = shownOnes.at(-1)
      const next = found.length > limit && last ? sayPlace(last) : undefined
      return { suppressions: shownOnes.map(shown), ...(next !== undefined && { next }) }
    },
  }),
  route({
    method: 'get',
    path: '/v1/suppressions.csv',
    scope: 'read',
    name: 'exportSuppressions',
    says: 'The whole list as CSV, in a form that can be imported',
    query: z.strictObject({ reason: reason.optional() }),
    answer: z.unknown(),
    types: [csvType],
    handle: ({ query, signal }) => {
      const entries = suppressions.all(query.reason ?? '', signal)
      return Promise.resolve(new Raw(csvType, Readable.from(csvOf(entries))))
    },
  }),
]

const place = z.tuple([scopeText, z.string()])

const sayPlace = ({ scope: where, address: name }: Pick<Suppression, 'address' | 'scope'>): string =>
  Buffer.from(JSON.stringify([sayScope(where), name])).toString('base64url')

/** @throws RequestError where it is no `next` of ours */
const placeOf = (text: string): Pick<Suppression, 'address' | 'scope'> => {
  const refusal = new RequestError('SLUICE_HTTP_QUERY', [{ key: 'after', message: 'not the `next` of a page' }])
  try {
    const [where, name] = place.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
    return { scope: where, address: name }
  } catch {
    throw refusal
  }
}

const changeRoutes = ({ suppressions, now }: Services): Route[] => [
  route({
    method: 'post',
    path: '/v1/suppressions',
    scope: 'steer',
    name: 'suppress',
    says: 'Suppresses an address: from now on it gets no mail in that scope',
    body: z
      .strictObject({ address, scope, ...termFields })
      .refine(oneEnd, { error: '`expires_in_s` and `until` do not go together', path: ['until'] }),
    status: 201,
    answer: z.object({ suppression: entryShape }),
    handle: async (call) => {
      const { body } = call
      const made = await suppressions.add(askerOf(call, body), body.address, body.scope, futureEnd(body, now()))
      return { suppression: shownBare(made) }
    },
  }),
  route({
    method: 'delete',
    path: '/v1/suppressions',
    scope: 'steer',
    name: 'release',
    says: 'Releases an address in a scope; what happened before does not suppress it again',
    body: z.strictObject({ address, scope, ...changeFields }),
    answer: z.object({ released: entryShape }),
    handle: async (call) => {
      const { body } = call
      return { released: shownBare(await suppressions.release(askerOf(call, body), body.address, body.scope)) }
    },
  }),
  route({
    method: 'post',
    path: '/v1/suppressions/import',
    scope: 'steer',
    name: 'importSuppressions',
    says: 'Suppresses what a CSV lists: with the columns of the export, or one address a line',
    query: z.strictObject({ scope, ...changeFields }),
    body: rawBody,
    raw: [csvType, 'text/plain'],
    answer: z.object({
      read: z.int(),
      listed: z.int().meta({ description: 'of them not listed before, or not for as long' }),
      refused: z.int(),
      complaints: z.array(z.object({ line: z.int(), says: z.string() })),
    }),
    handle: async (call) => {
      const { query, body } = call
      const imported = await suppressions.import(askerOf(call, query), query.scope, body)
      return { ...imported, complaints: [...imported.complaints] }
    },
  }),
]
