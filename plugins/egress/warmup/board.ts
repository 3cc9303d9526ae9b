// Who is warmed up, as this worker knows it: by the published document, and by the configuration, whose warm-ups are
// not known until a sidecar has published their state. Of what is not known nothing may be sent: whether it is at its
// first stage or at its last is not for a worker to guess.

import type { EgressConfig } from '@sluice/core/config/egress'
import type { ShapingConfig } from '@sluice/core/config/shaping'
import { anyProvider } from '@sluice/core/routing/table'
import { day, hour } from '@sluice/core/shaping/rate'
import {
  allowanceOfStream,
  allowanceOn,
  dayOf,
  nextAllowance,
  paceOfAllowance,
  rankStreams,
} from '@sluice/core/warmup/allowance'
import { noWarmups, type Warmup, type WarmupDocument } from '@sluice/core/warmup/document'
import type { WarmupPlan } from '@sluice/core/warmup/plan'

import type { WarmupRule } from '../lane/ruling'

interface Governing {
  readonly source: string
  /** Provider under which it is filed and counted. */
  readonly counter: string
  readonly overflow: Warmup['overflow']
  /** Absent: configured, and nothing is known of it yet. */
  readonly known?: { readonly warmup: Warmup; readonly plan: WarmupPlan }
}

const usualLiking = 50
const nothingAllowed = { interval: hour, tolerance: 0 }

export class WarmupBoard {
  private document: WarmupDocument = noWarmups
  private configured: ShapingConfig['warmup'] = []
  private ranks: ReadonlyMap<string, number> = new Map()
  private bySource = new Map<string, Map<string, Governing>>()

  use(document: WarmupDocument): void {
    this.document = document
    this.arrange()
  }

  configure(shaping: ShapingConfig, egress: EgressConfig | undefined): void {
    const names = Object.keys(egress?.streams ?? {})
    const liking = (name: string) => ({ liking: shaping.streams[name]?.liking ?? usualLiking })
    this.ranks = rankStreams(Object.fromEntries(names.map((name) => [name, liking(name)])))
    this.configured = shaping.warmup
    this.arrange()
  }

  /** Sources that are warmed up towards anybody. */
  get sources(): Iterable<string> {
    return this.bySource.keys()
  }

  /** @param provider of the lane; undefined = the lane is warm, or nobody ever warms it up */
  governing(source: string, provider: string): Governing | undefined {
    const ofSource = this.bySource.get(source)
    return ofSource?.get(provider) ?? ofSource?.get(anyProvider)
  }

  /** The rule for one stream now; undefined = warm. */
  ruleOf(governing: Governing, stream: string, now: number): WarmupRule | undefined {
    return this.ruleOfRank(governing, this.ranks.get(stream) ?? 0, now)
  }

  /** What the least-liked stream may use of the day; undefined = warm. */
  leastLimit(governing: Governing, now: number): number | undefined {
    return this.ruleOfRank(governing, Math.max(0, ...this.ranks.values()), now)?.limit
  }

  /** Configured warm-ups of which nothing is known, as `source towards provider`. */
  get unknown(): string[] {
    return [...this.bySource.values()]
      .flatMap((ofSource) => [...ofSource.values()])
      .flatMap(({ known, source, counter }) => (known ? [] : [`${source} towards ${counter}`]))
  }

  private ruleOfRank({ known, counter }: Governing, rank: number, now: number): WarmupRule | undefined {
    const today = dayOf(now)
    if (!known) return { day: today, limit: 0, pace: nothingAllowed, next: () => now + day, counter }
    const { warmup, plan } = known
    const allowance = allowanceOn(warmup.state, plan, now)
    if (allowance === undefined) return undefined
    return {
      day: today,
      limit: allowanceOfStream(allowance, rank, now),
      pace: paceOfAllowance(allowance, plan),
      next: (used) => nextAllowance(allowance, rank, used, now),
      counter,
    }
  }

  private arrange(): void {
    this.bySource = new Map()
    for (const { source, providers, overflow } of this.configured) {
      for (const counter of Object.keys(providers)) this.put({ source, counter, overflow })
    }
    for (const warmup of this.document.warmups) {
      const { source, provider, overflow, state } = warmup
      const plan = this.document.plans[state.plan]
      if (plan) this.put({ source, counter: provider, overflow, known: { warmup, plan } })
    }
  }

  private put(governing: Governing): void {
    const { source, counter } = governing
    const ofSource = this.bySource.get(source) ?? new Map<string, Governing>()
    this.bySource.set(source, ofSource.set(counter, governing))
  }
}
