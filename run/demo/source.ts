// Sources and their addresses: receivers know the one, the configuration the other. Pure.

import { isRelay, type EgressConfig } from '@sluice/core/config/egress'

/** First address of a source. @throws RangeError where it has none */
export const addressOf = (egress: EgressConfig, name: string): string => {
  const source = egress.sources[name]
  const address = source && !isRelay(source) ? source.ip[0] : undefined
  if (!address) throw new RangeError(`${name} is not a source with an address`)
  return address
}

/** The source that binds an address; the address itself where none does. */
export const sourceOf = (egress: EgressConfig, ip: string): string =>
  Object.entries(egress.sources).find(([, one]) => !isRelay(one) && one.ip.includes(ip))?.[0] ?? ip
