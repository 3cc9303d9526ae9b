// Pools and the weights in force: base, score, override, suspension, and the share that comes of them.

import { z } from 'zod'

import { isRelay, type EgressConfig } from '@sluice/core/config/egress'
import { SluiceError } from '@sluice/core/errors'
import { effectiveWeights } from '@sluice/core/routing/effective'
import { anyProvider, type RoutingDocument } from '@sluice/core/routing/table'

import { route, type Route } from '../route'
import type { Services } from '../services'
import { factorsShape, nameShape, overrideShape, suspensionShape, timeShape } from '../shapes'

/** @throws SluiceError SLUICE_HTTP_NOT_FOUND where there is no egress.yaml */
export const demandEgress = ({ configuration }: Services): EgressConfig => {
  const { egress } = configuration.current
  if (!egress) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', 'there is no egress.yaml: Sluice does not steer')
  return egress
}

const sourceShape = z.object({
  source: z.string(),
  kind: z.enum(['ip', 'relay']),
  ip: z.array(z.string()).meta({ description: 'local addresses' }),
  ehlo: z.string(),
  relay: z.string().meta({ description: 'host:port; empty for sources of kind ip' }),
})

const poolsAnswer = z.object({
  pools: z.array(
    z.object({
      pool: z.string(),
      streams: z.array(z.string()).meta({ description: 'streams that leave by it' }),
      fallback_of: z.array(z.string()).meta({ description: 'streams that fall back to it' }),
      sources: z.array(sourceShape.extend({ base: z.number(), share: z.number() })),
    }),
  ),
})

const weightShape = z.object({
  source: z.string(),
  weight: z.number().meta({ description: 'what the choice uses; 0 = no traffic' }),
  share: z.number().meta({ description: 'of the pool towards this provider, 0..1' }),
  factors: factorsShape,
  override: overrideShape.optional(),
  suspension: suspensionShape.optional(),
})

export const weightsAnswer = z.object({
  version: z.int().meta({ description: 'of the routing document; 0 = none published, base weights' }),
  at: timeShape,
  stale: z.boolean().meta({ description: 'true: Redis is away, this is the last document seen' }),
  lanes: z.array(
    z.object({
      pool: z.string(),
      provider: z.string().meta({ description: '`*` = every provider without an entry of its own' }),
      until: timeShape.nullable().meta({ description: 'when an override or suspension begins or ends next' }),
      weights: z.array(weightShape),
    }),
  ),
})

/** Providers that the document or its terms mention, and `*`. */
const mentioned = (document: RoutingDocument, pool: string): string[] => {
  const scored = Object.keys(document.pools[pool] ?? {})
  const terms = [...document.overrides, ...document.suspensions].flatMap(({ provider }) => provider ?? [])
  return [...new Set([anyProvider, ...[...scored, ...terms].sort()])]
}

export const lanesOf = (
  egress: EgressConfig,
  document: RoutingDocument,
  now: number,
  only: { readonly pool?: string | undefined; readonly provider?: string | undefined } = {},
): z.input<typeof weightsAnswer>['lanes'] =>
  Object.keys(egress.pools)
    .filter((pool) => only.pool === undefined || pool === only.pool)
    .flatMap((pool) => {
      const providers = only.provider === undefined ? mentioned(document, pool) : [only.provider]
      return providers.map((provider) => {
        const { weights, until } = effectiveWeights(egress, document, pool, provider, now)
        const total = weights.reduce((sum, { weight }) => sum + weight, 0)
        return {
          pool,
          provider,
          until: Number.isFinite(until) ? until : null,
          weights: weights.map((one) => ({ ...one, share: total > 0 ? one.weight / total : 0 })),
        }
      })
    })

/** The document in force, or the last one seen where Redis is away. */
export const documentNow = async ({ publisher }: Services): Promise<{ document: RoutingDocument; stale: boolean }> => {
  try {
    return { document: await publisher.read(), stale: false }
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'SLUICE_REDIS_AWAY') throw error
    return { document: publisher.last, stale: true }
  }
}

export const weightRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/pools',
    scope: 'read',
    name: 'listPools',
    says: 'Egress pools with their sources and base weights, as configured',
    answer: poolsAnswer,
    handle: () => {
      const egress = demandEgress(services)
      const streams = Object.entries(egress.streams)
      const pools = Object.entries(egress.pools).map(([pool, bases]) => {
        const total = Object.values(bases).reduce((a, b) => a + b, 0)
        return {
          pool,
          streams: streams.filter(([, stream]) => stream.pool === pool).map(([id]) => id),
          fallback_of: streams.filter(([, stream]) => stream.fallback.includes(pool)).map(([id]) => id),
          sources: Object.entries(bases).map(([id, base]) => ({
            ...describeSource(egress, id),
            base,
            share: total > 0 ? base / total : 0,
          })),
        }
      })
      return Promise.resolve({ pools })
    },
  }),
  route({
    method: 'get',
    path: '/v1/weights',
    scope: 'read',
    name: 'readWeights',
    says: 'Weights in force by pool, provider and source, with their factors, overrides and suspensions',
    query: z.strictObject({ pool: nameShape.optional(), provider: nameShape.optional() }),
    answer: weightsAnswer,
    handle: async ({ query }) => {
      const egress = demandEgress(services)
      if (query.pool !== undefined && !(query.pool in egress.pools)) {
        throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no pool is named ${query.pool}`)
      }
      const { document, stale } = await documentNow(services)
      return {
        version: document.version,
        at: document.at,
        stale,
        lanes: lanesOf(egress, document, services.now(), query),
      }
    },
  }),
]

const describeSource = (egress: EgressConfig, id: string): z.input<typeof sourceShape> => {
  const source = egress.sources[id]
  if (!source) return { source: id, kind: 'ip', ip: [], ehlo: '', relay: '' }
  if (!isRelay(source)) return { source: id, kind: 'ip', ip: source.ip, ehlo: source.ehlo, relay: '' }
  const { host, port } = source.relay
  return {
    source: id,
    kind: 'relay',
    ip: source.ip === undefined ? [] : [source.ip],
    ehlo: source.ehlo ?? '',
    relay: `${host}:${port}`,
  }
}
