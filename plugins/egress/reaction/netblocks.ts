// Which sources share a netblock (/24 or /64), and which netblocks a source is in: a refusal that blames a netblock is
// meant for all of them.

import { netblockOf } from '@sluice/core/lane/scope'

/** What is asked of the configuration. */
export interface SourceAddresses {
  readonly sources: ReadonlySet<string>
  /** Local addresses of a source, literal. */
  readonly addressesOf: (source: string) => readonly string[]
}

export class Netblocks {
  private readonly bySource = new Map<string, readonly string[]>()
  private readonly byNetblock = new Map<string, string[]>()

  constructor({ sources, addressesOf }: SourceAddresses) {
    for (const source of [...sources].toSorted()) {
      const netblocks = [...new Set(addressesOf(source).map(netblockOf))].filter((one) => one !== undefined)
      this.bySource.set(source, netblocks)
      for (const netblock of netblocks) {
        const known = this.byNetblock.get(netblock)
        if (known) known.push(source)
        else this.byNetblock.set(netblock, [source])
      }
    }
  }

  of(source: string): readonly string[] {
    return this.bySource.get(source) ?? []
  }

  /** In the order of their names, the same on all workers. */
  sourcesIn(netblock: string): readonly string[] {
    return this.byNetblock.get(netblock) ?? []
  }
}
