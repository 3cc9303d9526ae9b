// What is configured about warm-up against what it names: plans that exist, sources that exist, no lane twice, shares
// that add up to no more than the whole.

import type { Complaint, ConfigDocument } from '../config/document'
import { isRelay, type EgressConfig } from '../config/egress'
import type { ShapingConfig } from '../config/shaping'
import { anyProvider } from '../routing/table'
import type { Plans } from './register'

/** Shares are decimal fractions: their sum may miss 1 by a hair. */
const hair = 1e-9

/** Everything that is wrong with `warmup:` of shaping.yaml; sources are checked where `egress` is known. */
export const checkWarmups = (
  { value: { warmup }, complain }: ConfigDocument<ShapingConfig>,
  plans: Plans,
  egress: EgressConfig | undefined,
): Complaint[] => {
  const seen = new Set<string>()
  return warmup.flatMap(({ source, plan, providers }, index) => {
    const complaints: Complaint[] = []
    const say = (key: readonly string[], message: string) =>
      complaints.push(complain(['warmup', index, ...key], message))
    const known = egress?.sources[source]
    if (egress && !known) say(['source'], `no source is named ${source}`)
    const followed = plans[plan]
    if (!followed) say(['plan'], `no plan is named ${plan}; there are ${Object.keys(plans).join(', ')}`)
    if (Object.keys(providers).length === 0) say(['providers'], 'names no provider')
    for (const provider of Object.keys(providers)) {
      const lane = JSON.stringify([source, provider])
      if (seen.has(lane)) say(['providers', provider], `${source} is warmed up towards ${provider} twice`)
      seen.add(lane)
      if (known && isRelay(known) && provider !== anyProvider) {
        say(['providers', provider], `a relay is warmed up towards all providers together ('${anyProvider}')`)
      }
    }
    const whole = Object.values(providers).reduce((sum, share) => sum + share, 0)
    if (followed?.scope === 'source' && whole > 1 + hair) {
      say(['providers'], `the shares of the address's volume add up to ${Number(whole.toFixed(4))}, more than 1`)
    }
    return complaints
  })
}
