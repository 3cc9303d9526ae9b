// The choice of pool and source for one message, from memory: the weights in force towards a provider are prepared
// once as a lottery and drawn from for every message (a few hundred nanoseconds). Overrides and suspensions begin and
// end by time alone: a lottery is prepared anew when the moment comes until which it holds.

import type { EgressConfig } from '../config/egress'
import { draw, prepareLottery, type Lottery } from '../routing/choose'
import { effectiveWeights, type EffectiveWeight } from '../routing/effective'
import type { RoutingDocument } from '../routing/table'

export interface Choice {
  readonly pool: string
  readonly source: string
  /** Probability with which the source was chosen out of the pool, 0..1. */
  readonly propensity: number
  /** Version of the routing document; 0 = base weights. */
  readonly version: number
  /** What was drawn from; the same object as long as its weights hold. */
  readonly lottery: Lottery
}

interface Prepared {
  readonly lottery: Lottery
  /** ms since 1970 */
  readonly until: number
}

/** Providers remembered per pool: sites nobody has named are providers of their own, so there is no natural end. */
const limit = 20_000

export class Chooser {
  private readonly prepared = new Map<string, Map<string, Prepared>>()
  private before = new Map<string, Map<string, Prepared>>()
  private document: RoutingDocument | undefined
  private earliest = Infinity

  constructor(private readonly config: EgressConfig) {}

  /** Version of the document in force; 0 = none. */
  get version(): number {
    return this.document?.version ?? 0
  }

  /** ms since 1970 at which any lottery in use changes by time alone; Infinity where none does. */
  get until(): number {
    return this.earliest
  }

  swap(document: RoutingDocument | undefined): void {
    this.document = document
    this.before = new Map(this.prepared)
    this.prepared.clear()
    this.earliest = Infinity
  }

  /**
   * The first pool of `pools` with a source that has weight and is not in `closed`, and a source of it.
   * @param now ms since 1970
   * @param dice uniform in [0, 1)
   * @returns undefined where every source of every pool is closed
   */
  choose(
    pools: readonly string[],
    provider: string,
    now: number,
    dice: number,
    closed?: ReadonlySet<string>,
  ): Choice | undefined {
    for (const pool of pools) {
      const lottery = this.lottery(pool, provider, now)
      const drawn = draw(lottery, dice, closed)
      if (drawn) {
        return { pool, source: drawn.source, propensity: drawn.propensity, version: this.version, lottery }
      }
    }
    return undefined
  }

  /** The weights in force with their reasons, for whoever explains. */
  weights(pool: string, provider: string, now: number): readonly EffectiveWeight[] {
    return effectiveWeights(this.config, this.document, pool, provider, now).weights
  }

  /** Whether the weights the choice was drawn from are still in force. */
  stands(choice: Choice, provider: string, now: number): boolean {
    return this.lottery(choice.pool, provider, now) === choice.lottery
  }

  private lottery(pool: string, provider: string, now: number): Lottery {
    const known = this.prepared.get(pool)?.get(provider)
    return known !== undefined && now < known.until ? known.lottery : this.prepare(pool, provider, now, known)
  }

  private prepare(pool: string, provider: string, now: number, known: Prepared | undefined): Lottery {
    const { weights, until } = effectiveWeights(this.config, this.document, pool, provider, now)
    const fresh = prepareLottery(weights)
    const old = (known ?? this.before.get(pool)?.get(provider))?.lottery
    const lottery = old && sameOdds(old, fresh) ? old : fresh
    let ofPool = this.prepared.get(pool)
    if (!ofPool || ofPool.size >= limit) this.prepared.set(pool, (ofPool = new Map<string, Prepared>()))
    ofPool.set(provider, { lottery, until })
    this.earliest = Math.min(this.earliest > now ? this.earliest : Infinity, until)
    return lottery
  }
}

const sameOdds = (a: Lottery, b: Lottery): boolean =>
  a.sources.length === b.sources.length &&
  a.sources.every((source, index) => source === b.sources[index] && a.totals[index] === b.totals[index])
