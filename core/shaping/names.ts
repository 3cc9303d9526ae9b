// Names in shaping.yaml against what they name. A limit for a provider, source or stream that does not exist holds
// nowhere: most likely it is misspelt, and somebody believes that it holds.

import type { Complaint, ConfigDocument } from '../config/document'
import type { EgressConfig } from '../config/egress'
import type { ShapingConfig } from '../config/shaping'

/**
 * Everything that is named and nowhere to be found; sources and streams are looked for where `egress` is known.
 * @param shipped providers that Sluice knows by itself
 */
export const checkNames = (
  { value, complain }: ConfigDocument<ShapingConfig>,
  shipped: ShapingConfig,
  egress: EgressConfig | undefined,
): Complaint[] => {
  const complaints: Complaint[] = []
  const known = Object.keys(shipped.providers)
  for (const [id, { mx, domains }] of Object.entries(value.providers)) {
    if (known.includes(id) || (mx?.length ?? 0) + (domains?.length ?? 0) > 0) continue
    const says = `no provider ${id} is shipped, so it needs mx or domains to be found by; shipped: ${known.join(', ')}`
    complaints.push(complain(['providers', id], says))
  }
  if (!egress) return complaints
  const source = (id: string, key: readonly string[]) => {
    if (!Object.hasOwn(egress.sources, id)) complaints.push(complain(key, `no source is named ${id}`))
  }
  for (const id of Object.keys(value.sources)) source(id, ['sources', id])
  for (const [provider, { sources }] of Object.entries(value.providers)) {
    for (const id of Object.keys(sources ?? {})) source(id, ['providers', provider, 'sources', id])
  }
  for (const id of Object.keys(value.streams)) {
    if (!Object.hasOwn(egress.streams, id)) complaints.push(complain(['streams', id], `no stream is named ${id}`))
  }
  return complaints
}
