// What Sluice has done by itself because of what receivers said: seen, and undone.

import { z } from 'zod'

import { actionKinds } from '@sluice/core/lane/action'
import { actionSchema, mostActions, undoSchema } from '@sluice/core/lane/action-log'
import { scopeKinds } from '@sluice/core/lane/scope'

import { askerOf } from '../asker'
import { route, type Route } from '../route'
import type { Services } from '../services'
import { changeFields, nameShape } from '../shapes'

const actionShape = actionSchema.extend({ undone: undoSchema.optional() }).meta({ id: 'Action' })
const actionParams = z.object({ id: z.string().min(1).max(255) })

export const actionRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/actions',
    scope: 'read',
    name: 'listActions',
    says: 'Automatic actions, the newest first: those that hold, or all that are remembered (seven days)',
    query: z.strictObject({
      state: z.enum(['live', 'all']).default('live'),
      kind: z.enum(actionKinds).optional(),
      rule: nameShape.optional(),
      scope: z.enum(scopeKinds).optional(),
      name: z.string().min(1).max(512).optional().meta({ description: 'of the scope: source, netblock, domain, …' }),
      provider: z.string().min(1).max(255).optional(),
      limit: z.coerce.number().int().min(1).max(mostActions).default(100),
    }),
    answer: z.object({ actions: z.array(actionShape), more: z.int().meta({ description: 'that are not shown' }) }),
    handle: async ({ query: { state, limit, ...query } }) => {
      const found = await services.actions.list(query, state)
      return { actions: found.slice(0, limit).map(plain), more: Math.max(0, found.length - limit) }
    },
  }),
  route({
    method: 'get',
    path: '/v1/actions/{id}',
    scope: 'read',
    name: 'readAction',
    says: 'One action; a `/` in its id is written %2F',
    params: actionParams,
    answer: actionShape,
    handle: async ({ params }) => plain(await services.actions.of(params.id)),
  }),
  route({
    method: 'post',
    path: '/v1/actions/{id}/undo',
    scope: 'steer',
    name: 'undoAction',
    says: 'Opens what the action had closed, narrowed or slowed, at once and on all workers; a `/` in its id is written %2F',
    params: actionParams,
    body: z.strictObject(changeFields),
    answer: actionShape,
    handle: async (call) => plain(await services.actions.undo(askerOf(call, call.body), call.params.id)),
  }),
]

type Shown = z.input<typeof actionShape>

const plain = (action: Awaited<ReturnType<Services['actions']['of']>>): Shown => ({
  ...action,
  evidence: [...action.evidence],
})
