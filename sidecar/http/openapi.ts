// The description of the interface (OpenAPI 3.1), made from the schemas that check requests.

import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject } from 'zod-openapi'

import { problemSchema } from './problem'
import { route, type Route } from './route'

const problem = {
  description: 'What went wrong',
  content: { 'application/problem+json': { schema: problemSchema } },
}

const bodyOf = ({ raw, body }: Route) =>
  raw
    ? Object.fromEntries(raw.map((type) => [type, { schema: { type: 'string' as const } }]))
    : { 'application/json': { ...(body && { schema: body }) } }

const operationOf = (one: Route): ZodOpenApiOperationObject => ({
  operationId: one.name,
  summary: one.says,
  ...(one.scope === 'public' ? { security: [] } : { security: [{ token: [one.scope] }] }),
  requestParams: {
    ...(one.params instanceof z.ZodObject && { path: one.params }),
    ...(one.query instanceof z.ZodObject && { query: one.query }),
  },
  ...(one.body && { requestBody: { required: true, content: bodyOf(one) } }),
  responses: {
    [String(one.status ?? 200)]: {
      description: one.says,
      content: {
        'application/json': { schema: one.answer },
        ...Object.fromEntries((one.types ?? []).map((type) => [type, { schema: z.string() }])),
      },
    },
    default: problem,
  },
})

export const describe = (routes: readonly Route[], version: string): ReturnType<typeof createDocument> => {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const one of routes) paths[one.path] = { ...paths[one.path], [one.method]: operationOf(one) }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version,
      description: 'Outbound delivery control for Haraka. Errors are application/problem+json with a stable `code`.',
    },
    servers: [{ url: '/' }],
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'Scopes: read, steer, send, admin (all of them)' },
      },
    },
    paths,
  })
}

/** The route that answers the description of `routes` and itself. */
export const openApiRoute = (routes: readonly Route[], version: string): Route => {
  let made: unknown
  const self: Route = route({
    method: 'get',
    path: '/v1/openapi.json',
    scope: 'public',
    name: 'readOpenApi',
    says: 'This description',
    answer: z.unknown(),
    handle: () => {
      made ??= describe([...routes, self], version)
      return Promise.resolve(made)
    },
  })
  return self
}
