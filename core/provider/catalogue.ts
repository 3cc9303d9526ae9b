// Who receives: the provider behind a set of MX hosts (MX rollup), so that a company's domain hosted at Google is
// `google`, whatever it is called. Destinations of no known provider are grouped by site: the part their MX hosts
// have in common.

import type { ShapingConfig } from '../config/shaping'

export interface Destination {
  /** Provider id of the catalogue, or the site where no provider is known. */
  readonly provider: string
  /** MX rollup, e.g. `(alt1|alt2).aspmx.l.google.com` shortened to its common suffix `aspmx.l.google.com`. */
  readonly site: string
}

export interface Catalogue {
  /**
   * `hosts`: MX host names in order of preference; `domain`: the recipient's domain, which decides where the hosts are
   * nobody's but the domain is known to be a provider's own.
   */
  readonly rollUp: (domain: string, hosts: readonly string[]) => Destination
  /** Provider of a recipient domain by name alone, before any look-up. */
  readonly byDomain: (domain: string) => string | undefined
}

export const compileCatalogue = (shaping: ShapingConfig): Catalogue => {
  const byHost = new Map<string, string>()
  const domains = new Map<string, string>()
  for (const [id, provider] of Object.entries(shaping.providers)) {
    for (const suffix of provider.mx ?? []) byHost.set(suffix, id)
    for (const domain of provider.domains ?? []) domains.set(domain, id)
  }
  return {
    rollUp: (domain, hosts) => {
      const names = hosts.map(plain)
      const site = siteOf(plain(domain), names)
      // The preferred host decides: a backup MX elsewhere does not change who receives.
      const [preferred] = names
      const provider = preferred === undefined ? undefined : longestMatch(byHost, preferred)
      return { provider: provider ?? longestMatch(domains, plain(domain)) ?? site, site }
    },
    byDomain: (domain) => longestMatch(domains, plain(domain)),
  }
}

const plain = (host: string): string => host.toLowerCase().replace(/\.$/, '')

/** Exact name first, then `.suffix` from the longest to the shortest: one look-up per label, whatever the size. */
const longestMatch = (table: ReadonlyMap<string, string>, host: string): string | undefined => {
  const exact = table.get(host)
  if (exact !== undefined) return exact
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const found = table.get(host.slice(dot))
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * The labels all hosts end with; a single host, or hosts with nothing but a top-level label in common, give the first
 * host's name without its leftmost label where at least two labels remain.
 */
const siteOf = (domain: string, hosts: readonly string[]): string => {
  const [first] = hosts
  if (first === undefined) return domain
  const labels = hosts.map((host) => host.split('.').reverse())
  const [reference = []] = labels
  let shared = 0
  while (shared < reference.length && labels.every((one) => one[shared] === reference[shared])) shared++
  const depth = hosts.length > 1 && shared >= 2 ? shared : Math.max(2, reference.length - 1)
  return reference.slice(0, depth).reverse().join('.')
}
