// Overrides and suspensions: made, listed, taken back. Every change has an author and a reason and can end by itself.

import { z } from 'zod'

import { SluiceError } from '@sluice/core/errors'
import type { Target } from '@sluice/core/routing/terms'

import { askerOf, futureEnd } from '../asker'
import { RequestError } from '../problem'
import { route, type Route } from '../route'
import type { Services } from '../services'
import { changeFields, nameShape, oneEnd, overrideShape, suspensionShape, termFields } from '../shapes'
import { demandEgress, documentNow } from './weights'

const version = z.int().meta({ description: 'of the routing document with this change' })
const bothEnds = { error: '`expires_in_s` and `until` do not go together', path: ['until'] }

const overrideBody = z
  .strictObject({
    pool: nameShape.optional().meta({ description: 'absent: in every pool' }),
    provider: nameShape.optional().meta({ description: 'absent: towards every provider' }),
    source: nameShape,
    weight: z.number().min(0).max(1_000_000).meta({ description: 'replaces the weight; 0 = no traffic' }),
    ...termFields,
  })
  .refine(oneEnd, bothEnds)
const sourceParams = z.object({ id: nameShape })

/** @throws RequestError naming the key that names nothing */
const checkTarget = (services: Services, target: { pool?: string | undefined; source: string }): void => {
  const egress = demandEgress(services)
  const complain = (key: string, message: string) => new RequestError('SLUICE_HTTP_BODY', [{ key, message }])
  if (!(target.source in egress.sources)) throw complain('source', `no source is named ${target.source}`)
  if (target.pool === undefined) return
  const pool = egress.pools[target.pool]
  if (!pool) throw complain('pool', `no pool is named ${target.pool}`)
  if (!(target.source in pool)) throw complain('source', `${target.source} is not in the pool ${target.pool}`)
}

/** @throws SluiceError SLUICE_HTTP_NOT_FOUND */
const checkSource = (services: Services, source: string): void => {
  if (!(source in demandEgress(services).sources)) {
    throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no source is named ${source}`)
  }
}

/** @throws SluiceError SLUICE_HTTP_NOT_FOUND */
const checkPool = (services: Services, pool: string): void => {
  if (!(pool in demandEgress(services).pools)) {
    throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no pool is named ${pool}`)
  }
}

const overrideRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/overrides',
    scope: 'read',
    name: 'listOverrides',
    says: 'Overrides and suspensions in force',
    answer: z.object({
      version: z.int(),
      stale: z.boolean(),
      overrides: z.array(overrideShape),
      suspensions: z.array(suspensionShape),
    }),
    handle: async () => {
      const { document, stale } = await documentNow(services)
      const now = services.now()
      const holds = ({ until }: { until?: number | undefined }): boolean => until === undefined || until > now
      return {
        version: document.version,
        stale,
        overrides: document.overrides.filter(holds),
        suspensions: document.suspensions.filter(holds),
      }
    },
  }),
  route({
    method: 'post',
    path: '/v1/overrides',
    scope: 'steer',
    name: 'override',
    says: 'Replaces the weight of a source; takes the place of an earlier override of the same pool, provider and source',
    body: overrideBody,
    answer: z.object({ override: overrideShape, version }),
    status: 201,
    handle: async (call) => {
      const { body } = call
      checkTarget(services, body)
      const until = futureEnd(body, services.now())
      const { made, document } = await services.changes.override(askerOf(call, body), body, body.weight, until)
      return { override: made, version: document.version }
    },
  }),
  route({
    method: 'delete',
    path: '/v1/overrides/{id}',
    scope: 'steer',
    name: 'withdrawOverride',
    says: 'Takes an override back',
    params: sourceParams,
    body: z.strictObject(changeFields),
    answer: z.object({ withdrawn: overrideShape, version }),
    handle: async (call) => {
      const { made, document } = await services.changes.withdraw(askerOf(call, call.body), call.params.id)
      return { withdrawn: made, version: document.version }
    },
  }),
]

interface Suspendable {
  readonly kind: 'source' | 'pool' | 'provider'
  readonly says: string
  /** Whether it can be suspended towards one provider only. */
  readonly narrow: boolean
  /** @throws SluiceError SLUICE_HTTP_NOT_FOUND */
  readonly check: (services: Services, name: string) => void
}

const suspendables: readonly Suspendable[] = [
  { kind: 'source', says: 'this source, towards one provider or all of them', narrow: true, check: checkSource },
  { kind: 'pool', says: 'this pool, towards one provider or all of them', narrow: true, check: checkPool },
  // Sites that nobody has named are providers too: there is no list to check a name against.
  { kind: 'provider', says: 'any source towards this provider', narrow: false, check: demandEgress },
]

const towards = { provider: nameShape.optional() }

const suspensionRoutes = (services: Services, { kind, says, narrow, check }: Suspendable): Route[] => {
  const narrowing = (narrow ? towards : {}) as typeof towards
  const name = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`
  const targetOf = (id: string, { provider }: { provider?: string | undefined }): Target => ({ provider, [kind]: id })
  return [
    route({
      method: 'post',
      path: `/v1/${kind}s/{id}/suspend`,
      scope: 'steer',
      name: `suspend${name}`,
      says: `Sends nothing more by ${says}: mail waits, parked`,
      params: sourceParams,
      body: z.strictObject({ ...narrowing, ...termFields }).refine(oneEnd, bothEnds),
      answer: z.object({ suspension: suspensionShape, version }),
      status: 201,
      handle: async (call) => {
        const { body, params } = call
        check(services, params.id)
        const until = futureEnd(body, services.now())
        const target = targetOf(params.id, body)
        const { made, document } = await services.changes.suspend(askerOf(call, body), target, until)
        return { suspension: made, version: document.version }
      },
    }),
    route({
      method: 'post',
      path: `/v1/${kind}s/{id}/resume`,
      scope: 'steer',
      name: `resume${name}`,
      says: `Lifts suspensions of this ${kind}${narrow ? ': of one provider, or all of them' : ' as a whole'}`,
      params: sourceParams,
      body: z.strictObject({ ...narrowing, ...changeFields }),
      answer: z.object({ lifted: z.array(suspensionShape), version }),
      handle: async (call) => {
        const target = targetOf(call.params.id, call.body)
        const { made, document } = await services.changes.resume(askerOf(call, call.body), target)
        return { lifted: [...made], version: document.version }
      },
    }),
  ]
}

export const steeringRoutes = (services: Services): Route[] => [
  ...overrideRoutes(services),
  ...suspendables.flatMap((one) => suspensionRoutes(services, one)),
]
