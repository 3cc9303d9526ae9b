// Where a model internet's recipients are: the weight of every domain, for campaigns.

import type { Internet } from './schema'

/** Weight by domain, > 0. A provider's weight is shared evenly by its domains. */
export const domainWeights = ({ providers, domains }: Internet): Record<string, number> => {
  const weights: Record<string, number> = {}
  for (const provider of Object.values(providers)) {
    for (const name of provider.domains) weights[name] = provider.weight / provider.domains.length
  }
  for (const [name, { weight }] of Object.entries(domains)) weights[name] = weight
  return Object.fromEntries(Object.entries(weights).filter(([, weight]) => weight > 0))
}
