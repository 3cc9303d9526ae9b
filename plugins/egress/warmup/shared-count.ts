// The day's count of a warm-up that several lanes share (provider `*`), in Redis for all workers. While Redis is away
// this worker goes by its share of what was left when it was heard last, at its share of the pace, beginning as if a
// message had just gone.

import type { RedisKeys } from '@sluice/core/redis/keys'
import { takeToken } from '@sluice/core/shaping/pace'

import type { WarmupCount, WarmupRule } from '../lane/ruling'
import type { RedisLink } from '../redis/link'

interface Alone {
  readonly day: number
  /** Where it is counted in Redis. */
  readonly key: string
  taken: number
  due: number
}

export interface SharedCountParts {
  readonly link: RedisLink
  readonly keys: RedisKeys
  /** Among how many the allowance is divided where each goes alone. */
  readonly workers: () => number
  /** Messages of the day that were used when Redis was heard last. */
  readonly usedBefore: (source: string, rule: WarmupRule) => number
  /** ms since 1970 */
  readonly now: () => number
}

export interface Taken extends WarmupCount {
  readonly taken: number
}

export class SharedCount {
  private readonly alone = new Map<string, Alone>()

  constructor(private readonly parts: SharedCountParts) {
    parts.link.onReturn(() => this.settle())
  }

  async take(source: string, rule: WarmupRule, wanted: number): Promise<Taken> {
    const { link } = this.parts
    const { day, limit, pace } = rule
    const [count, due] = this.keysOf(source, rule)
    try {
      const [taken, used, wait_ms] = await link.run((redis) =>
        redis.takeAllowance(count, due, wanted, limit, pace.interval, pace.tolerance),
      )
      return { taken, day, used, wait_ms }
    } catch {
      return this.takeAlone(source, rule, wanted) // away: the link has said so
    }
  }

  giveBack(source: string, rule: WarmupRule, unused: number): void {
    const [count, due] = this.keysOf(source, rule)
    const alone = this.alone.get(source)
    if (alone?.day === rule.day) alone.taken = Math.max(0, alone.taken - unused)
    else this.parts.link.send((redis) => redis.giveBackAllowance(count, due, unused, rule.pace.interval))
  }

  private takeAlone(source: string, rule: WarmupRule, wanted: number): Taken {
    const { day, limit, pace } = rule
    const [key] = this.keysOf(source, rule)
    const now = this.parts.now()
    const workers = Math.max(1, this.parts.workers())
    const own = { ...pace, interval: pace.interval * workers }
    const before = this.parts.usedBefore(source, rule)
    const share = Math.floor(Math.max(0, limit - before) / workers)
    const known = this.alone.get(source)
    const alone = known?.day === day ? known : { day, key, taken: 0, due: now + own.interval + own.tolerance }
    this.alone.set(source, alone)
    let taken = 0
    let wait_ms = 0
    while (taken < wanted && alone.taken < share && wait_ms === 0) {
      const token = takeToken(alone.due, own, now)
      if (token.taken) {
        alone.due = token.due
        alone.taken++
        taken++
      } else {
        wait_ms = Math.ceil(token.wait_ms)
      }
    }
    // The share is used up until Redis is back. What others used since is not known, so the count stays as it was.
    if (taken < wanted && wait_ms === 0) wait_ms = Infinity
    return { taken, day, used: before, wait_ms }
  }

  /** Redis is back: what was taken meanwhile is added to its count. */
  private settle(): void {
    for (const { key, taken } of this.alone.values()) {
      if (taken > 0) this.parts.link.send((redis) => redis.countAllowance(key, taken))
    }
    this.alone.clear()
  }

  private keysOf(source: string, { counter, day }: WarmupRule): readonly [string, string] {
    const { keys } = this.parts
    return [keys.warmed(source, counter, day), keys.warmedDue(source)]
  }
}
