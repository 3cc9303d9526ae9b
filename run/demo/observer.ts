// What the demo sees of the run, once or twice a second: counts from ClickHouse and standings from the routing
// document, both through the sidecar's API as any user would; and what is worth a line when it changes. While the
// sidecar does not answer, the last figures stand.

import { z } from 'zod'

import type { Api } from '../api'
import type { Count, Event, Figures, Standing } from '../summary/figures'

const recentSeconds = 10
const mostEvents = 200
/** Standings at which a change is worth a line. */
const marks = [0.1, 0.5, 0.95]

const countSchema = z.object({
  provider: z.string(),
  source: z.string(),
  kind: z.string(),
  total: z.coerce.number(),
  recent: z.coerce.number(),
})

const countsQuery = `
SELECT provider, source, kind, count() AS total, countIf(at > now64(3) - INTERVAL ${recentSeconds} SECOND) AS recent
FROM outcomes
WHERE kind IN ('delivered', 'deferred', 'bounced', 'expired') AND sender_domain != ''
GROUP BY provider, source, kind`

export class Observer {
  private readonly events: Event[] = []
  private counts: readonly Count[] = []
  private standings: readonly Standing[] = []
  private version = 0
  private told = new Map<string, number>()

  constructor(
    private readonly api: Api,
    private readonly since: number,
    private readonly progress: () => { readonly submitted: number; readonly planned: number },
  ) {}

  /** Adds a line to the story. */
  tell(text: string): void {
    this.events.push({ at: Date.now(), text })
    if (this.events.length > mostEvents) this.events.shift()
  }

  /** Looks again. @throws where the API does not answer */
  async look(): Promise<void> {
    const [counts, weights] = await Promise.all([this.api.sql(countsQuery, countSchema), this.api.weights()])
    this.counts = counts
    this.standings = weights.standings
    this.version = weights.version
    this.tellChanges()
  }

  figures(): Figures {
    const { submitted, planned } = this.progress()
    return {
      at: Date.now(),
      since: this.since,
      submitted,
      planned,
      routingVersion: this.version,
      counts: this.counts,
      standings: this.standings,
      events: this.events,
    }
  }

  private tellChanges(): void {
    for (const { pool, provider, source, standing } of this.standings) {
      const key = `${pool} ${provider} ${source}`
      const before = this.told.get(key) ?? 1
      if (levelOf(standing) === levelOf(before)) continue
      this.told.set(key, standing)
      const where = provider === '*' ? 'everywhere' : `at ${provider}`
      this.tell(`v${this.version}: ${source} ${where}: weight ${before.toFixed(2)} -> ${standing.toFixed(2)}`)
    }
  }
}

const levelOf = (standing: number): number => marks.filter((mark) => standing >= mark).length
