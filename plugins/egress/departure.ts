// The way out of a mail that has been granted a lease: what it was granted for is looked at once more (weights, what
// is closed, the MX answer), then hosts, address and limits become the route that host delivers along.

import type { Host, Lease, Route } from 'haraka-plugin-sluice-host'

import type { Candidate } from './candidate'
import type { Closure } from './closure'
import { isNoRoute, type Destination, type Destinations } from './destination'
import type { Policy } from './policy'
import { mxHosts, relayHost, routeOf } from './route'

export interface DepartureParts {
  readonly host: Pick<Host, 'dns' | 'lookupMx'>
  readonly closures: readonly Closure[]
  readonly relayFailed: (source: string, why: string) => void
  /** EHLO name where a relay has none of its own. */
  readonly me: string
  /** ms since 1970 */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly dice: () => number
}

export class Departure {
  private policy: Policy | undefined
  private destinations: Destinations | undefined

  constructor(private readonly parts: DepartureParts) {}

  usePolicy(policy: Policy | undefined, destinations: Destinations | undefined): void {
    this.policy = policy
    this.destinations = destinations
  }

  /** @returns undefined where the choice does not hold any more: the mail has to choose again */
  async routeOf(candidate: Candidate, lease: Lease): Promise<Route | undefined> {
    const { host, closures, dice, me } = this.parts
    const { choice } = candidate
    const destination = await this.refreshed(candidate)
    const { policy } = this
    if (!policy || !choice || !destination) return undefined
    const now = this.parts.now()
    if (!policy.chooser.stands(choice, destination.provider, now)) return undefined
    if (!closures.every((closure) => closure.stands?.(choice.source, candidate, now) ?? true)) return undefined
    const relay = policy.relay(choice.source)
    if (relay) {
      const answer = await host.dns.lookupAddresses(relay.host)
      const found = relayHost(policy, choice.source, answer)
      if (found) return routeOf(policy, { choice, destination, lease, hosts: [found] }, me)
      const why = answer.kind === 'fault' ? answer.detail : 'no address of a usable family'
      this.parts.relayFailed(choice.source, why)
      return undefined
    }
    const limits = policy.laneLimits(choice.source, destination.provider, destination.site)
    const hosts = mxHosts(policy, choice.source, destination, limits, dice)
    return hosts.length > 0 ? routeOf(policy, { choice, destination, lease, hosts }, me) : undefined
  }

  /** A mail may have waited longer than its MX answer holds; undefined where it does not go there any more. */
  private async refreshed({ destination, domain }: Candidate): Promise<Destination | undefined> {
    if (!destination || this.parts.now() < destination.expires) return destination
    const answer = await this.parts.host.lookupMx(domain)
    const fresh = this.destinations?.of(domain, answer)
    return fresh && !isNoRoute(fresh) && fresh.provider === destination.provider ? fresh : undefined
  }
}
