// The receiver lab: a model internet on loopback. Starts DNS, SMTP receivers and control together, or nothing at all;
// `stop` ends everything it opened. Several labs run beside each other on one machine, each on ports of its own.

import { createSecureContext } from 'node:tls'

import { Control } from './control/control'
import { DnsServer } from './dns/server'
import { zoneOf } from './dns/zone'
import type { Internet } from './internet/schema'
import { shippedInternet, shippedTls } from './internet/shipped'
import { Listeners } from './receiver/listeners'
import { Provider } from './receiver/provider'
import { FactFile } from './truth/file'
import { Truth } from './truth/truth'

export interface LabOptions {
  /** Default: the shipped one. */
  readonly internet?: Internet
  /** Same seed, same dice. Default `lab`. */
  readonly seed?: string
  /** SMTP port of all MX addresses; 0 or absent = one that is free on all of them. */
  readonly port?: number
  /** Default 127.0.0.1:0. */
  readonly dns?: { readonly host: string; readonly port: number }
  /** Default 127.0.0.1:0. */
  readonly control?: { readonly host: string; readonly port: number }
  /** NDJSON file the truth is appended to. */
  readonly truthFile?: string
  /** How many facts stay in memory; default 200,000. */
  readonly keepFacts?: number
  /** ms since 1970; for tests. */
  readonly clock?: () => number
  /** PEM; default: the shipped public test pair. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

export interface Lab {
  readonly internet: Internet
  /** SMTP port of all MX addresses */
  readonly port: number
  /** host:port, UDP and TCP */
  readonly dns: string
  /** base URL */
  readonly control: string
  readonly truth: Truth
  readonly providers: ReadonlyMap<string, Provider>
  readonly dnsServer: DnsServer
  /**
   * Puts a client address or network on a provider's block list; without `seconds` until removed.
   * @throws RangeError for an unknown provider or a bad address
   */
  block(provider: string, client_ip: string, seconds?: number): void
  /** Whether it was listed. */
  unblock(provider: string, client_ip: string): boolean
  /** Changes one provider's service, latency or behaviours. @throws ZodError, RangeError */
  change(provider: string, change: unknown): void
  /** Forgets the truth and puts everything back to the start; connections stay. */
  reset(): void
  stop(): Promise<void>
}

/** @throws Error where a port cannot be bound; nothing is left open then */
export const startLab = async (options: LabOptions = {}): Promise<Lab> => {
  const { internet = shippedInternet(), seed = 'lab', clock = Date.now } = options
  const truth = new Truth(
    clock,
    options.truthFile === undefined ? undefined : new FactFile(options.truthFile),
    options.keepFacts,
  )
  const providers = new Map(
    Object.entries(internet.providers).map(([id, spec]) => [id, new Provider(id, spec, seed, clock)]),
  )
  const dnsServer = new DnsServer(zoneOf(internet))
  const listeners = new Listeners()
  const reset = (): void => {
    truth.clear()
    dnsServer.clearCounts()
    for (const provider of providers.values()) provider.reset()
  }
  const control = new Control({ providers, truth, dns: dnsServer, clock, reset })
  const stop = async (): Promise<void> => {
    await Promise.all([listeners.close(), dnsServer.close(), control.close()])
    await truth.file?.close()
  }
  const providerOf = (id: string): Provider => {
    const provider = providers.get(id)
    if (!provider) throw new RangeError(`there is no provider ${id}`)
    return provider
  }

  try {
    const secureContext = createSecureContext(options.tls ?? shippedTls())
    const posts = [...providers].flatMap(([id, provider]) =>
      (internet.providers[id]?.mx ?? [])
        .filter(({ down }) => !down)
        .map((mx) => ({ provider, mx, truth, clock, secureContext })),
    )
    await listeners.open(posts, options.port ?? 0)
    const dnsAt = options.dns ?? loopback
    const dnsPort = await dnsServer.open(dnsAt.host, dnsAt.port)
    const controlAt = options.control ?? loopback
    const controlUrl = await control.open(controlAt.host, controlAt.port)
    return {
      internet,
      port: listeners.port,
      dns: `${dnsAt.host}:${dnsPort}`,
      control: controlUrl,
      truth,
      providers,
      dnsServer,
      block: (provider, client_ip, seconds) =>
        void providerOf(provider).listing.add(client_ip, clock(), seconds, 'lab'),
      unblock: (provider, client_ip) => providerOf(provider).listing.remove(client_ip),
      change: (provider, change) => providerOf(provider).change(change),
      reset,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const loopback = { host: '127.0.0.1', port: 0 }
