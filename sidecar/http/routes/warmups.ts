// Warm-ups: listed with today's allowance, their history, and what an operator may do: start, hold, let go on, set the
// stage.

import { z } from 'zod'

import { isRelay } from '@sluice/core/config/egress'
import { SluiceError } from '@sluice/core/errors'
import { anyProvider } from '@sluice/core/routing/table'
import { warmupEventKinds } from '@sluice/core/warmup/state'
import type { Warmup } from '@sluice/core/warmup/document'

import { askerOf } from '../asker'
import { RequestError } from '../problem'
import { route, type Route } from '../route'
import type { Services } from '../services'
import { changeFields, nameShape, timeShape } from '../shapes'
import { momentOf, momentShape } from './outcomes'
import { demandEgress } from './weights'

const providerShape = nameShape.meta({ description: '`*` = all providers without a warm-up of their own' })

const warmupShape = z
  .object({
    source: z.string(),
    provider: providerShape,
    plan: z.string(),
    share: z.number().meta({ description: "of the plan's volume, 0..1" }),
    status: z.enum(['warming', 'held', 'done']).meta({ description: 'done: warm, no allowance' }),
    stage: z.int().meta({ description: 'from 0; the number of stages = warm' }),
    overflow: z.enum(['pool', 'wait']).meta({ description: 'mail beyond the allowance: by warm sources, or waits' }),
    origin: z.enum(['configured', 'operator']),
    started: timeShape,
    idle_days: z.int().meta({ description: 'days in a row without mail' }),
    note: z.string().meta({ description: 'why it is where it is' }),
  })
  .meta({ id: 'Warmup' })

const standingShape = warmupShape.extend({
  stages: z.int(),
  allowance: z.int().nullable().meta({ description: 'messages of today; null = warm, no limit' }),
  used: z.int().meta({ description: 'messages of today that it has let go' }),
})

export const warmupsAnswer = z.object({
  version: z.int().meta({ description: 'of the warm-up document; 0 = none published' }),
  at: timeShape,
  stale: z.boolean().meta({ description: 'true: Redis is away, this is the last document seen' }),
  warmups: z.array(standingShape),
})

const eventShape = z
  .object({
    id: z.string(),
    at: timeShape,
    source: z.string(),
    provider: z.string(),
    plan: z.string(),
    kind: z.string().meta({ description: warmupEventKinds.join(', ') }),
    day: z.string().meta({ description: 'YYYY-MM-DD, UTC' }),
    stage_from: z.int(),
    stage_to: z.int(),
    allowance_from: z.int().meta({ description: 'messages a day; 0 = warm, no limit' }),
    allowance_to: z.int(),
    reason: z.string(),
    author: z.string().meta({ description: 'empty: decided by the rule' }),
    used: z.int().meta({ description: 'of the day that was closed, as all that follow' }),
    delivered: z.int(),
    throttled: z.int(),
    blocked: z.int(),
    complained: z.int(),
  })
  .meta({ id: 'WarmupEvent' })

export const warmupHistoryAnswer = z.object({ events: z.array(eventShape) })
export const warmupChangeAnswer = z.object({ warmups: z.array(warmupShape) })

const sourceParams = z.object({ source: nameShape })
const stageShape = z.int().min(0).max(366)

const startBody = z.strictObject({
  plan: nameShape,
  providers: z
    .record(nameShape, z.number().min(0.001).max(1))
    .default({ [anyProvider]: 1 })
    .meta({ description: "provider, or `*` for all others -> share of the plan's volume" }),
  stage: stageShape.optional().meta({ description: 'to begin at; absent = the first, 0' }),
  overflow: z.enum(['pool', 'wait']).default('pool'),
  ...changeFields,
})
const changeBody = z.strictObject({
  provider: providerShape.optional().meta({ description: 'absent: every warm-up of the source' }),
  ...changeFields,
})
const stageBody = changeBody.extend({
  stage: stageShape.meta({ description: 'from 0; the number of stages or more = warm' }),
})

const describe = ({ source, provider, overflow, origin, state }: Warmup): z.input<typeof warmupShape> => {
  const { plan, share, status, stage, started, idle, note } = state
  return { source, provider, plan, share, status, stage, overflow, origin, started, idle_days: idle, note }
}

/** @throws RequestError naming the key, SluiceError SLUICE_HTTP_NOT_FOUND */
const checkStart = (services: Services, source: string, { plan, providers }: z.output<typeof startBody>): void => {
  const complain = (key: string, message: string) => new RequestError('SLUICE_HTTP_BODY', [{ key, message }])
  const known = demandEgress(services).sources[source]
  if (!known) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no source is named ${source}`)
  const followed = services.configuration.current.plans[plan]
  if (!followed) throw complain('plan', `no plan is named ${plan}`)
  const names = Object.keys(providers)
  if (names.length === 0) throw complain('providers', 'names no provider')
  if (isRelay(known) && names.some((provider) => provider !== anyProvider)) {
    throw complain('providers', `a relay is warmed up towards all providers together ('${anyProvider}')`)
  }
  const whole = Object.values(providers).reduce((sum, share) => sum + share, 0)
  if (followed.scope === 'source' && whole > 1 + 1e-9) throw complain('providers', 'the shares add up to more than 1')
}

const readRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/warmups',
    scope: 'read',
    name: 'listWarmups',
    says: "Sources that are warmed up, by provider, with their stage and what is used of today's allowance",
    query: z.strictObject({ source: nameShape.optional() }),
    answer: warmupsAnswer,
    handle: async ({ query: { source } }) => {
      const { document, stale, warmups } = await services.warmups.standing()
      return {
        version: document.version,
        at: document.at,
        stale,
        warmups: warmups
          .filter(({ warmup }) => source === undefined || warmup.source === source)
          .map(({ warmup, stages, allowance = null, used }) => ({ ...describe(warmup), stages, allowance, used })),
      }
    },
  }),
  route({
    method: 'get',
    path: '/v1/warmups/{source}/history',
    scope: 'read',
    name: 'readWarmupHistory',
    says: 'What was decided about the warm-ups of a source, with the figures it was decided by, newest first',
    params: sourceParams,
    query: z.strictObject({
      provider: providerShape.optional(),
      since: momentShape.default('90d'),
      limit: z.coerce.number().int().min(1).max(10_000).default(200),
    }),
    answer: warmupHistoryAnswer,
    handle: async ({ params: { source }, query, signal }) => {
      const since = momentOf(query.since, services.now())
      const question = { source, provider: query.provider ?? '', since, limit: query.limit }
      return { events: await services.warmups.history(question, signal) }
    },
  }),
]

const changeRoutes = (services: Services): Route[] => [
  route({
    method: 'post',
    path: '/v1/warmups/{source}/start',
    scope: 'steer',
    name: 'startWarmup',
    says: 'Begins to warm up a source by a plan, anew where it is warmed up already',
    params: sourceParams,
    body: startBody,
    answer: warmupChangeAnswer,
    status: 201,
    handle: async (call) => {
      const { source } = call.params
      checkStart(services, source, call.body)
      const { plan, providers, stage, overflow } = call.body
      const wanted = { source, plan, providers, overflow, ...(stage !== undefined && { stage }) }
      return { warmups: (await services.warmups.start(askerOf(call, call.body), wanted)).map(describe) }
    },
  }),
  ...(['hold', 'resume'] as const).map((what) =>
    route({
      method: 'post',
      path: `/v1/warmups/{source}/${what}`,
      scope: 'steer',
      name: `${what}Warmup`,
      says:
        what === 'hold'
          ? 'Holds the stage whatever the days bring, but for a block'
          : 'Lets a warm-up that is held go on at its stage',
      params: sourceParams,
      body: changeBody,
      answer: warmupChangeAnswer,
      handle: async (call) => {
        const target = { source: call.params.source, provider: call.body.provider }
        return {
          warmups: (await services.warmups.hold(askerOf(call, call.body), target, what === 'hold')).map(describe),
        }
      },
    }),
  ),
  route({
    method: 'post',
    path: '/v1/warmups/{source}/stage',
    scope: 'steer',
    name: 'setWarmupStage',
    says: 'Sets the stage; what was observed before counts no more',
    params: sourceParams,
    body: stageBody,
    answer: warmupChangeAnswer,
    handle: async (call) => {
      const { provider, stage } = call.body
      const target = { source: call.params.source, provider }
      return { warmups: (await services.warmups.setStage(askerOf(call, call.body), target, stage)).map(describe) }
    },
  }),
]

export const warmupRoutes = (services: Services): Route[] => [...readRoutes(services), ...changeRoutes(services)]
