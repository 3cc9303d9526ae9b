// Every Redis key and channel Sluice uses, spelled here only. Keys that one script touches together share a hash tag,
// so all of it works on Redis Cluster.

/** Prefix of all keys and channels; configurable so that several installations can share one Redis. */
export const defaultPrefix = 'sluice'

export interface RedisKeys {
  /** string, JSON: the current routing document */
  readonly routing: string
  /** list, JSON, newest first: documents published before */
  readonly routingHistory: string
  /** channel: the version just published */
  readonly routingChannel: string
  /** sorted set, member = worker id, score = last heartbeat in ms */
  readonly workers: string
  /** string: id of the sidecar that scores; expires */
  readonly scorer: string
  /** what is counted of one lane (source x provider); a relay's provider is `*` */
  readonly lane: (source: string, provider: string) => LaneKeys
  /** channel: notices about lanes: a lease was released, a worker waits for some */
  readonly leaseChannel: string
  /** hash: scope key (core/lane/scope.ts) -> JSON of its LaneState; what is not in it is open and unlimited */
  readonly laneStates: string
  /** sorted set of the same scope keys, score = ms (server's clock) at which the state is forgotten */
  readonly laneStateEnds: string
  /** string: number of the last change of any lane state */
  readonly laneStateSequence: string
  /** channel: `<number> <worker> <scope key>` of each change of a lane state */
  readonly laneStateChannel: string
  /** hash: action id -> JSON of its LaneAction (core/lane/action-log.ts) */
  readonly actionLog: string
  /** sorted set of the same ids, score = ms at which the record is forgotten */
  readonly actionEnds: string
  /** string: number of the last change of the log */
  readonly actionSequence: string
  /** channel: `<number> <worker> <action id>` of each change of the log */
  readonly actionChannel: string
  /** hash: action id -> JSON of who undid it, when and why; written once (HSETNX), never rewritten */
  readonly actionsUndone: string
  /** channel: id of an action that was undone just now */
  readonly undoChannel: string
  /** sorted set: scope keys a rule has closed, score = ms (server's clock) */
  readonly actionGuard: (rule: string) => string
  /** string, JSON: the warm-up document (core/warmup/document.ts) */
  readonly warmup: string
  /** channel: the version of the warm-up document just published */
  readonly warmupChannel: string
  /** string: messages that the warm-up of a source towards a provider (or `*`) let go on a day, days since 1970 */
  readonly warmed: (source: string, provider: string, day: number) => string
  /** string, ms since 1970: due time of the pace of a warm-up that several lanes share */
  readonly warmedDue: (source: string) => string
  /** channel: JSON of a request about mail that waits (core/parked/exchange.ts) */
  readonly parkedChannel: string
  /** list of JSON: what workers answered to one request; expires */
  readonly parkedAnswers: (id: string) => string
  /** hash: suppressed recipients of one bucket (core/suppression/entry.ts), 0..bucketCount-1 */
  readonly suppressed: (bucket: number) => string
  /** string, seconds since 1970: evidence that came into ClickHouse before this has done its work on suppression */
  readonly suppressionCursor: string
}

const tag = (name: string): string => name.replace(/[{}]/g, '_')

/** All keys of a provider share a hash tag: one script takes everything at once. */
export interface LaneKeys {
  /** sorted set, member = lease id, score = expiry in ms */
  readonly leases: string
  /** the same, of all lanes of the provider; only where it has a total connection limit */
  readonly totalLeases: string
  /** hash: pace name -> due time in ms */
  readonly paces: string
  /** the same, of the provider */
  readonly totalPaces: string
  /** hash: number of a span of 5 s -> messages accepted in it */
  readonly meter: string
}

const laneKeys = (prefix: string, source: string, provider: string): LaneKeys => {
  const all = `${prefix}:{p:${tag(provider)}}`
  const name = tag(source)
  // Each relay is a receiver of its own, with totals of its own.
  const total = provider === '*' ? `:total:${name}` : ''
  return {
    leases: `${all}:leases:${name}`,
    totalLeases: `${all}:leases${total}`,
    paces: `${all}:pace:${name}`,
    totalPaces: `${all}:pace${total}`,
    meter: `${all}:meter:${name}`,
  }
}

export const redisKeys = (prefix: string = defaultPrefix): RedisKeys => ({
  routing: `${prefix}:{routing}:table`,
  routingHistory: `${prefix}:{routing}:history`,
  routingChannel: `${prefix}:routing`,
  workers: `${prefix}:workers`,
  scorer: `${prefix}:scorer`,
  lane: (source, provider) => laneKeys(prefix, source, provider),
  leaseChannel: `${prefix}:leases`,
  laneStates: `${prefix}:{states}:lanes`,
  laneStateEnds: `${prefix}:{states}:ends`,
  laneStateSequence: `${prefix}:{states}:sequence`,
  laneStateChannel: `${prefix}:states`,
  actionLog: `${prefix}:{actions}:log`,
  actionEnds: `${prefix}:{actions}:ends`,
  actionSequence: `${prefix}:{actions}:sequence`,
  actionChannel: `${prefix}:actions`,
  actionsUndone: `${prefix}:{actions}:undone`,
  undoChannel: `${prefix}:undone`,
  actionGuard: (rule) => `${prefix}:{actions}:guard:${rule.replace(/[{}]/g, '_')}`,
  warmup: `${prefix}:{warmup}:state`,
  warmupChannel: `${prefix}:warmup`,
  warmed: (source, provider, day) => `${prefix}:{p:${tag(provider)}}:warm:${tag(source)}:${day}`,
  warmedDue: (source) => `${prefix}:{p:*}:warm:${tag(source)}:due`,
  parkedChannel: `${prefix}:parked`,
  parkedAnswers: (id) => `${prefix}:parked:${id}`,
  suppressed: (bucket) => `${prefix}:suppressed:${bucket}`,
  suppressionCursor: `${prefix}:suppression:cursor`,
})
