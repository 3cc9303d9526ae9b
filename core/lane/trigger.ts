// N in T: how often something was seen lately, per rule. Only the hits that can still matter are kept, and hits that
// several workers saw are put together by union, so the count is right whatever order they arrive in.

/** Rule id -> [ms since 1970, id of the evidence], oldest first. */
export type Hits = Readonly<Record<string, readonly Hit[]>>
export type Hit = readonly [at: number, evidence: string]

const most = 1000

export interface Count {
  readonly hits: Hits
  /** The evidence, where it has come together; empty otherwise. */
  readonly fired: readonly string[]
}

/** Adds one hit. Fires at the `times`-th within `within` ms, and then begins to count anew. */
export const countHit = (hits: Hits, rule: string, hit: Hit, times: number, within: number): Count => {
  const recent = merge(hits[rule] ?? [], [hit]).filter(([at]) => at > hit[0] - within)
  if (recent.length < times) return { hits: { ...hits, [rule]: recent }, fired: [] }
  const { [rule]: _counted, ...rest } = hits
  return { hits: rest, fired: recent.map(([, evidence]) => evidence) }
}

/** Hits at or before `cleared` (ms since 1970) no longer count. */
export const joinHits = (a: Hits, b: Hits, cleared = 0): Hits => {
  const joined: Record<string, readonly Hit[]> = {}
  for (const rule of [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted()) {
    const live = merge(a[rule] ?? [], b[rule] ?? []).filter(([at]) => at > cleared)
    if (live.length > 0) joined[rule] = live
  }
  return joined
}

const merge = (a: readonly Hit[], b: readonly Hit[]): readonly Hit[] => {
  const seen = new Map<string, Hit>()
  for (const hit of [...a, ...b]) seen.set(`${hit[0]} ${hit[1]}`, hit)
  return [...seen.values()].toSorted((x, y) => x[0] - y[0] || (x[1] < y[1] ? -1 : x[1] > y[1] ? 1 : 0)).slice(-most)
}
