// Counts of waiting mails by what they have in common, bounded: made by each worker from its mails and by the sidecar
// from the workers' answers, with the same code.

import { mostGroups, type ParkedGroup } from './exchange'

export interface CountedGroups {
  /** The largest first. */
  readonly groups: ParkedGroup[]
  /** Mails in groups that are left out. */
  readonly others: number
}

export class GroupCounter {
  private readonly groups = new Map<string, ParkedGroup>()

  add(one: ParkedGroup): void {
    const { source, provider, stream, tenant, campaign, reason } = one
    const key = JSON.stringify([source, provider, stream, tenant, campaign, reason])
    const known = this.groups.get(key)
    if (!known) this.groups.set(key, { ...one })
    else {
      known.count += one.count
      known.oldest_at = Math.min(known.oldest_at, one.oldest_at)
    }
  }

  result(most = mostGroups): CountedGroups {
    const all = [...this.groups.values()].sort((a, b) => b.count - a.count || a.oldest_at - b.oldest_at)
    const groups = all.slice(0, most)
    return { groups, others: all.slice(most).reduce((sum, { count }) => sum + count, 0) }
  }
}
