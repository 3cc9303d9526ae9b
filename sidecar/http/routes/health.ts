// Is the process alive (health), is it of use now (ready), and its figures (metrics).

import { z } from 'zod'

import { Raw, route, Status, type Route } from '../route'
import type { Services } from '../services'

const partShape = z.object({ ok: z.boolean(), says: z.string() })

/** Parts without which the sidecar is not ready. */
const needed = ['clickhouse', 'redis']

export const healthRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/health',
    scope: 'public',
    name: 'readHealth',
    says: 'Whether the process is alive',
    answer: z.object({ status: z.literal('ok'), version: z.string(), uptime_s: z.number() }),
    handle: () =>
      Promise.resolve({
        status: 'ok' as const,
        version: services.version,
        uptime_s: Math.round((services.now() - services.startedAt) / 1000),
      }),
  }),
  route({
    method: 'get',
    path: '/v1/ready',
    scope: 'public',
    name: 'readReady',
    says: 'Whether its parts are in order; 503 while ClickHouse or Redis is away',
    answer: z.object({ ready: z.boolean(), parts: z.record(z.string(), partShape) }),
    handle: () => {
      const parts = services.parts()
      const ready = needed.every((name) => parts[name]?.ok === true)
      return Promise.resolve(new Status(ready ? 200 : 503, { ready, parts: { ...parts } }))
    },
  }),
  route({
    method: 'get',
    path: '/v1/metrics',
    scope: 'read',
    name: 'readMetrics',
    says: 'Figures in the text format of Prometheus',
    answer: z.unknown(),
    types: ['text/plain'],
    handle: async () => new Raw(services.registry.contentType, await services.registry.metrics()),
  }),
]
