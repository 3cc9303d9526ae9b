// From the choice to the route that host delivers along.

import type { Choice } from '@sluice/core/admission/choice'
import { familyOf, reachableHosts, v4, v6 } from '@sluice/core/admission/reach'
import { isRelay, type EgressSource } from '@sluice/core/config/egress'
import type { CompleteLimits } from '@sluice/core/shaping/limits'
import { laneKey, type AddressAnswer, type Lease, type MxHost, type Route } from 'haraka-plugin-sluice-host'

import type { Destination } from './destination'
import type { Policy } from './policy'

export interface Way {
  readonly choice: Choice
  readonly destination: Destination
  readonly lease: Lease
  readonly hosts: readonly MxHost[]
}

/** @param me EHLO name of a relay that has none of its own */
export const routeOf = (policy: Policy, { choice, destination, lease, hosts }: Way, me: string): Route => {
  const { source, pool, propensity, version } = choice
  const { provider, site } = destination
  const laneProvider = policy.laneProvider(source, provider)
  const limits = policy.laneLimits(source, laneProvider, site)
  const config = policy.source(source)
  return {
    pool,
    source,
    provider,
    site,
    lane: laneKey(source, laneProvider),
    propensity,
    routing_version: version,
    hosts,
    bind: config ? bindOf(config) : {},
    ehlo: config?.ehlo ?? me,
    lease,
    messages_per_connection: limits.messages_per_connection,
    recipients_per_message: limits.recipients_per_message,
    idle_ms: limits.idle_s * 1000,
    timeouts: limits.timeouts,
  }
}

const bindOf = (source: EgressSource): Route['bind'] => {
  const addresses = isRelay(source) ? (source.ip === undefined ? [] : [source.ip]) : source.ip
  const ip4 = addresses.find((ip) => familyOf(ip) === v4)
  const ip6 = addresses.find((ip) => familyOf(ip) === v6)
  return { ...(ip4 === undefined ? {} : { v4: ip4 }), ...(ip6 === undefined ? {} : { v6: ip6 }) }
}

/** MX hosts that the chosen source can reach. */
export const mxHosts = (
  policy: Policy,
  source: string,
  destination: Destination,
  limits: CompleteLimits,
  dice: () => number,
): MxHost[] =>
  reachableHosts(destination.hosts, policy.familiesOf(source), dice).map(({ name, addresses }) => ({
    name,
    addresses,
    port: limits.port,
    tls: limits.tls,
  }))

/** The relay as the only host; undefined where DNS has no address of a family it can be reached by. */
export const relayHost = (policy: Policy, source: string, answer: AddressAnswer): MxHost | undefined => {
  const relay = policy.relay(source)
  if (!relay || answer.kind === 'fault') return undefined
  const families = policy.familiesOf(source)
  const addresses = [...(families & v4 ? answer.v4 : []), ...(families & v6 ? answer.v6 : [])]
  if (addresses.length === 0) return undefined
  const password = policy.password(source)
  const auth =
    relay.username !== undefined && password !== undefined ? { username: relay.username, password } : undefined
  return { name: relay.host, addresses, port: relay.port, tls: relay.tls, ...(auth ? { auth } : {}) }
}
