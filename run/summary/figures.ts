// What the summary shows, put together from counts of outcomes and from weights. Pure.

/** How many outcomes of one kind one source had at one provider. */
export interface Count {
  readonly provider: string
  readonly source: string
  readonly kind: string
  /** In the whole run. */
  readonly total: number
  /** In the last seconds. */
  readonly recent: number
}

/** The weight of a source towards a provider, against its base weight: 1 = as configured, 0 = no traffic. */
export interface Standing {
  readonly pool: string
  readonly provider: string
  readonly source: string
  readonly standing: number
}

export interface Event {
  /** ms since 1970 */
  readonly at: number
  readonly text: string
}

export interface Figures {
  /** ms since 1970 */
  readonly at: number
  readonly since: number
  /** Messages handed in so far, and all that will be; absent where nobody counts them. */
  readonly submitted?: number
  readonly planned?: number
  readonly routingVersion: number
  readonly counts: readonly Count[]
  readonly standings: readonly Standing[]
  /** Oldest first. */
  readonly events: readonly Event[]
}

export interface Totals {
  readonly delivered: number
  readonly deferred: number
  readonly bounced: number
}

/** What a source did at a provider, for one cell of the table. */
export interface Cell {
  /** Share of the pool's recent attempts towards the provider, 0..1; undefined where there were none. */
  readonly share: number | undefined
  readonly standing: number | undefined
}

const attempted = new Set(['delivered', 'deferred', 'bounced', 'expired'])
const column: Readonly<Record<string, keyof Totals>> = {
  delivered: 'delivered',
  deferred: 'deferred',
  bounced: 'bounced',
  expired: 'bounced',
}

export const totalsOf = (counts: readonly Count[]): Totals => {
  const totals = { delivered: 0, deferred: 0, bounced: 0 }
  for (const { kind, total } of counts) {
    const name = column[kind]
    if (name) totals[name] += total
  }
  return totals
}

/** Names in `counts`, the one with most outcomes first. */
export const byVolume = (counts: readonly Count[], key: 'provider' | 'source'): string[] => {
  const volume = new Map<string, number>()
  for (const count of counts) volume.set(count[key], (volume.get(count[key]) ?? 0) + count.total)
  return [...volume]
    .sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1))
    .map(([name]) => name)
    .filter((name) => name !== '')
}

/** `poolOf` says which sources share the traffic of `source`, itself included. */
export const cellOf = (
  figures: Figures,
  provider: string,
  source: string,
  poolOf: (source: string) => readonly string[],
): Cell => {
  const mates = new Set(poolOf(source))
  let own = 0
  let all = 0
  for (const count of figures.counts) {
    if (count.provider !== provider || !attempted.has(count.kind) || !mates.has(count.source)) continue
    all += count.recent
    if (count.source === source) own += count.recent
  }
  const standings = figures.standings.filter((one) => one.source === source)
  const { standing } =
    standings.find((one) => one.provider === provider) ?? standings.find((one) => one.provider === '*') ?? {}
  return { share: all > 0 ? own / all : undefined, standing }
}
