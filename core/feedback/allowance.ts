// How many reports are taken: a bucket of tokens for all clients together and one for each, refilled evenly over the
// minute. Bounded in memory: clients whose bucket is full again are forgotten first.

export interface AllowanceLimits {
  readonly perMinute: number
  readonly perMinutePerClient: number
}

interface Bucket {
  tokens: number
  /** ms since 1970 of the last refill */
  at: number
}

const clientLimit = 10_000
const minute = 60_000

export class Allowance {
  private all: Bucket | undefined
  /** In order of last use. */
  private readonly clients = new Map<string, Bucket>()

  /** Takes one for `client`; false where either bucket is empty, and then takes nothing. `now` in ms since 1970. */
  take(client: string, limits: AllowanceLimits, now: number): boolean {
    const all = refilled(this.all, limits.perMinute, now)
    const own = refilled(this.clients.get(client), limits.perMinutePerClient, now)
    const granted = all.tokens >= 1 && own.tokens >= 1
    if (granted) {
      all.tokens--
      own.tokens--
    }
    this.all = all
    this.clients.delete(client)
    this.clients.set(client, own)
    if (this.clients.size > clientLimit) {
      const [oldest = ''] = this.clients.keys()
      this.clients.delete(oldest)
    }
    return granted
  }
}

/** A clock that jumps back refills nothing; one that jumps ahead refills at most the whole bucket. */
const refilled = (bucket: Bucket | undefined, size: number, now: number): Bucket => {
  if (!bucket) return { tokens: size, at: now }
  const earned = (Math.max(0, now - bucket.at) / minute) * size
  return { tokens: Math.min(size, bucket.tokens + earned), at: now }
}
