// Control of a running lab over HTTP on loopback: read the truth, block addresses, change behaviours, begin anew.

import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { SluiceError } from '@sluice/core/errors'
import { z } from 'zod'

import { clientAddress, type Listed } from '../behaviour/listing'
import type { DnsServer } from '../dns/server'
import type { Provider } from '../receiver/provider'
import type { Truth } from '../truth/truth'
import { serveRoutes, type Request, type Routes } from './router'

export interface Controlled {
  readonly providers: ReadonlyMap<string, Provider>
  readonly truth: Truth
  readonly dns: DnsServer
  readonly clock: () => number
  /** Begins anew: truth, behaviours, block lists, DNS counts. */
  reset(): void
}

const mostFacts = 10_000

const blockBody = z.strictObject({
  provider: z.string(),
  client_ip: clientAddress,
  seconds: z.number().positive().max(31_536_000).optional(),
  reason: z.string().max(200).default('control'),
})
const unblockBody = z.strictObject({ provider: z.string(), client_ip: clientAddress })
const changeBody = z.looseObject({ provider: z.string() })
const pageQuery = z.strictObject({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(mostFacts).default(1000),
})

const routesOf = (lab: Controlled): Routes => {
  const { truth, dns, clock } = lab
  const providerOf = (id: string): Provider => {
    const provider = lab.providers.get(id)
    if (!provider) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `there is no provider ${id}`)
    return provider
  }
  return {
    'GET /health': () => {
      const fault = truth.file?.fault
      if (fault !== undefined) throw new SluiceError('SLUICE_INTERNAL', `the truth file has a hole: ${fault}`)
      return { json: { ok: true, providers: lab.providers.size, newest: truth.newest } }
    },
    'GET /truth/summary': () => ({ json: { rows: truth.tally.list() } }),
    'GET /truth/events': ({ query }) => {
      const { after, limit } = pageOf(query)
      const facts = truth.after(after, limit)
      const last = facts.at(-1)?.seq ?? Math.max(after, truth.newest)
      return { lines: facts, headers: { 'x-oldest': String(truth.oldest), 'x-last': String(last) } }
    },
    'GET /connections': () => ({ json: { rows: truth.attendance.list() } }),
    'GET /dns': () => ({ json: dns.counts() }),
    'GET /providers': () => ({
      json: Object.fromEntries([...lab.providers].map(([id, provider]) => [id, provider.describe()])),
    }),
    'GET /blocklist': () => ({ json: { entries: listed(lab.providers, clock()) } }),
    'POST /blocklist': ({ body }) => {
      const { provider, client_ip, seconds, reason } = blockBody.parse(body)
      return { json: show(provider, providerOf(provider).listing.add(client_ip, clock(), seconds, reason)) }
    },
    'DELETE /blocklist': ({ query, body }) => {
      const { provider, client_ip } = unblockBody.parse(body ?? Object.fromEntries(query))
      return { json: { removed: providerOf(provider).listing.remove(client_ip) } }
    },
    'POST /behaviour': ({ body }) => {
      const { provider: id, ...change } = changeBody.parse(body)
      const provider = providerOf(id)
      provider.change(change)
      return { json: provider.describe() }
    },
    'POST /reset': () => {
      lab.reset()
      return { json: { ok: true } }
    },
  }
}

const pageOf = (query: Request['query']): z.output<typeof pageQuery> => {
  const checked = pageQuery.safeParse(Object.fromEntries(query))
  if (!checked.success) throw new SluiceError('SLUICE_HTTP_QUERY', z.prettifyError(checked.error))
  return checked.data
}

/** null = until removed (JSON knows no Infinity). */
const show = (provider: string, { until, ...entry }: Listed) => ({
  provider,
  ...entry,
  until: Number.isFinite(until) ? until : null,
})

const listed = (providers: ReadonlyMap<string, Provider>, now: number) =>
  [...providers].flatMap(([id, { listing }]) => listing.list(now).map((entry) => show(id, entry)))

export class Control {
  private readonly server: Server

  constructor(lab: Controlled) {
    this.server = serveRoutes(routesOf(lab))
  }

  /** Returns the base URL. @throws Error where the address cannot be bound */
  async open(host: string, port: number): Promise<string> {
    this.server.listen(port, host)
    await once(this.server, 'listening')
    return `http://${host}:${(this.server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    if (!this.server.listening) return
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }
}
