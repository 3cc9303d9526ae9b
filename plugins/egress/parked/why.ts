// Why no source is open to a mail, in words for people: one word for each cause found among the sources of its pools.

import type { Candidate } from '../candidate'
import type { Closure } from '../closure'
import type { Policy } from '../policy'

/** Words in the order of the alphabet, joined by commas: `suspended`, `no_weight`, `unreachable`, and closures' names. */
export const whyClosed = (
  candidate: Candidate,
  pools: readonly string[],
  policy: Policy,
  closures: readonly Closure[],
  now: number,
): string => {
  const { destination } = candidate
  if (!destination) return ''
  const unable = policy.unable(destination.families)
  const closed = closures.map((closure) => ({ name: closure.name ?? 'closed', set: closure.closed(candidate, now) }))
  const words = new Set<string>()
  for (const pool of pools) {
    for (const { source, weight, suspension } of policy.chooser.weights(pool, destination.provider, now)) {
      if (suspension) words.add('suspended')
      else if (weight === 0) words.add('no_weight')
      if (unable.has(source)) words.add('unreachable')
      for (const { name, set } of closed) if (set === 'all' || set.has(source)) words.add(name)
    }
  }
  return [...words].toSorted().join(', ')
}
