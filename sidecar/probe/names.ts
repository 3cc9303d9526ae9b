// DNS as the probe asks it: with the resolvers of sluice.yaml, else those of the system. An answer without records is an
// empty list; a fault is thrown.

import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'

export interface Host {
  readonly name: string
  readonly preference: number
  readonly addresses: readonly string[]
}

const nothing = new Set(['ENODATA', 'ENOTFOUND'])

export class Names {
  private readonly resolver = new Resolver({ timeout: 5000, tries: 2 })

  /** @param servers as `ip` or `ip:port`; empty = the system's */
  constructor(servers: readonly string[]) {
    if (servers.length > 0) this.resolver.setServers([...servers])
  }

  /** Names of an address (PTR). */
  reverse(ip: string): Promise<string[]> {
    return listed(() => this.resolver.reverse(ip))
  }

  async addresses(name: string): Promise<string[]> {
    if (isIP(name)) return [name]
    const [four, six] = await Promise.all([
      listed(() => this.resolver.resolve4(name)),
      listed(() => this.resolver.resolve6(name)),
    ])
    return [...four, ...six]
  }

  /** Hosts that take mail for a domain, the preferred first; the domain itself where it names none (RFC 5321 5.1). */
  async mailHosts(domain: string): Promise<Host[]> {
    const records = isIP(domain) ? [] : await listed(() => this.resolver.resolveMx(domain))
    const named = records.length > 0 ? records : [{ exchange: domain, priority: 0 }]
    const hosts = named
      .toSorted((a, b) => a.priority - b.priority)
      .map(async ({ exchange: name, priority }) => ({
        name,
        preference: priority,
        addresses: name === '' ? [] : await this.addresses(name),
      }))
    return Promise.all(hosts)
  }
}

const listed = async <T>(ask: () => Promise<T[]>): Promise<T[]> => {
  try {
    return await ask()
  } catch (error) {
    if (nothing.has((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}
