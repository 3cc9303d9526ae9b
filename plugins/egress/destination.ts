// Where a mail goes: from the MX answer for its domain to provider, site and hosts; or why there is no way.

import { familiesOf, type Families } from '@sluice/core/admission/reach'
import type { Catalogue } from '@sluice/core/provider/catalogue'
import type { MxAnswer, MxTarget, NoRoute } from 'haraka-plugin-sluice-host'

export interface Destination {
  readonly provider: string
  readonly site: string
  /** Sorted by preference; empty where DNS does not say (only a relay can deliver then). */
  readonly hosts: readonly MxTarget[]
  readonly families: Families
  /** ms since 1970 until which the MX answer holds */
  readonly expires: number
  /** Why `hosts` is empty. */
  readonly fault?: NoRoute
}

export const isNoRoute = (one: Destination | NoRoute): one is NoRoute => 'kind' in one

/** Rolling up costs more than all the rest of a decision, so it is done once per MX answer. */
export class Destinations {
  private readonly known = new WeakMap<MxAnswer, Destination | NoRoute>()

  constructor(private readonly catalogue: Catalogue) {}

  of(domain: string, answer: MxAnswer): Destination | NoRoute {
    const known = this.known.get(answer)
    if (known) return known
    const fresh = this.find(domain, answer)
    this.known.set(answer, fresh)
    return fresh
  }

  private find(domain: string, answer: MxAnswer): Destination | NoRoute {
    if (answer.kind === 'null_mx') {
      const detail = `${domain} takes no mail (null MX, RFC 7505)`
      return { kind: 'null_mx', permanent: true, enhanced: '5.1.10', detail }
    }
    if (answer.kind === 'hosts') {
      const { hosts, expires } = answer
      const names = hosts.map((host) => host.name)
      return { ...this.catalogue.rollUp(domain, names), hosts, families: familiesOf(hosts), expires }
    }
    const { fault, detail, temporary, expires } = answer
    const said = `DNS ${fault}: ${detail}`
    if (!temporary) return { kind: 'dns', permanent: true, enhanced: '5.1.2', detail: said }
    const provider = this.catalogue.byDomain(domain) ?? domain
    const noRoute: NoRoute = { kind: 'dns', permanent: false, enhanced: '4.4.3', detail: said }
    return { provider, site: domain, hosts: [], families: 0, expires, fault: noRoute }
  }
}
