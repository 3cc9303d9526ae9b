// Warm-up in a worker: what a lane may send today, and where the mail beyond it goes. The allowance is counted at
// admission, for all workers; once it is used up for now, a source whose rule is `pool` is closed to the mail, so that
// the pool's warm sources take it, and where none of them is open it waits for the next of the allowance. With the rule
// `wait` it waits in the lane.

import type { RedisKeys } from '@sluice/core/redis/keys'
import { parseWarmups } from '@sluice/core/warmup/document'
import { laneKey, type Configuration } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../candidate'
import { nothingClosed, type Closure } from '../closure'
import type { LaneLoad, LaneName, WarmupCount, WarmupRule, Warmups, WarmupTaken } from '../lane/ruling'
import { DocumentSubscription } from '../redis/document'
import type { LinkLog, RedisLink } from '../redis/link'
import { WarmupBoard } from './board'
import { WarmupCounts } from './counts'
import { SharedCount } from './shared-count'

export interface WarmupParts {
  readonly link: RedisLink
  readonly keys: RedisKeys
  readonly log: LinkLog
  /** Provider of the lane that a mail for a provider would wait in. */
  readonly laneProvider: (source: string, provider: string) => string
  readonly loadOf: (lane: string) => LaneLoad
  /** Workers seen last. */
  readonly workers: () => number
  /** Those who wait for a source and whom `leaves` names choose again. */
  readonly reconsider: (source: string, leaves: (candidate: Candidate) => boolean) => void
  /** More may be allowed than before: everybody looks again. */
  readonly look: () => void
  /** ms since 1970 */
  readonly now: () => number
}

/** A lane with one mail on its way is looked at again after; ms. */
const busyMs = 1000

export class Warmup implements Warmups {
  private readonly board = new WarmupBoard()
  private readonly counts = new WarmupCounts()
  private readonly shared: SharedCount
  private readonly subscription: DocumentSubscription
  private told = ''
  /** The document has been looked for. */
  private looked = false

  constructor(private readonly parts: WarmupParts) {
    const { link, keys, log, workers, now } = parts
    this.shared = new SharedCount({
      link,
      keys,
      workers,
      usedBefore: (source, { counter, day }) => this.counts.used(source, counter, day),
      now,
    })
    const take = (text: string): void => {
      this.board.use(parseWarmups(text))
      parts.look()
    }
    this.subscription = new DocumentSubscription({ link, key: keys.warmup, channel: keys.warmupChannel, log, take })
  }

  start(): void {
    this.subscription.start()
  }

  stop(): void {
    this.subscription.stop()
  }

  /** Resolves once the document has been looked for, or after `ms`. */
  async ready(ms: number): Promise<void> {
    await this.subscription.ready(ms)
    this.looked = true
    this.tellUnknown()
  }

  configure({ shaping, egress }: Configuration): void {
    this.board.configure(shaping, egress)
    if (this.looked) this.tellUnknown()
  }

  warmupOf({ source, provider }: LaneName, stream: string, now: number): WarmupRule | undefined {
    const governing = this.board.governing(source, provider)
    const rule = governing && this.board.ruleOf(governing, stream, now)
    if (!rule || this.parts.link.present || rule.counter !== provider) return rule
    // Alone, a worker has its share of what was left when Redis was heard last.
    return { ...rule, limit: Math.max(0, rule.limit - this.counts.used(source, provider, rule.day)) }
  }

  counted(lane: LaneName, count: WarmupCount): void {
    if (!this.parts.link.present) return
    const { source, provider } = lane
    const now = this.parts.now()
    const wasPaced = this.counts.pacedUntil(source, provider) > now
    const usedBefore = this.counts.used(source, provider, count.day)
    this.counts.learn(source, provider, count, now)
    const governing = this.board.governing(source, provider)
    const least = governing && this.board.leastLimit(governing, now)
    const usedUp = least !== undefined && count.used >= least && count.used !== usedBefore
    if (usedUp || (count.wait_ms > 0 && !wasPaced)) this.sendElsewhere(lane, now)
  }

  async take(lane: LaneName, rule: WarmupRule, wanted: number): Promise<WarmupTaken> {
    const { taken, ...count } = await this.shared.take(lane.source, rule, wanted)
    const now = this.parts.now()
    if (this.parts.link.present) this.counts.learn(lane.source, rule.counter, count, now)
    // Those for whom it was taken still stand in the lane: only where it was refused do they go another way.
    if (taken < wanted) this.sendElsewhere(lane, now)
    const usedUp = count.used >= rule.limit && rule.next
    return { taken, wait_ms: usedUp ? usedUp(count.used) - now : count.wait_ms }
  }

  giveBack({ source }: LaneName, rule: WarmupRule, unused: number): void {
    if (unused <= 0) return
    this.shared.giveBack(source, rule, unused)
    this.counts.givenBack(source, rule.counter, rule.day, unused)
  }

  readonly closure: Closure = {
    name: 'warm-up',
    closed: (candidate, now) => {
      let closed: Set<string> | undefined
      for (const source of this.board.sources) {
        if (this.shutUntil(source, candidate, now) > now) (closed ??= new Set()).add(source)
      }
      return closed ?? nothingClosed
    },
    opensAt: (candidate, now) => {
      let soonest = Infinity
      for (const source of this.board.sources) {
        const until = this.shutUntil(source, candidate, now)
        if (until > now) soonest = Math.min(soonest, until)
      }
      return soonest
    },
  }

  /** There is nothing left for now: those who wait in the lane and need not choose again. */
  private sendElsewhere({ source, provider }: LaneName, now: number): void {
    const { laneProvider, reconsider } = this.parts
    const waitsHere = ({ destination }: Candidate): boolean =>
      laneProvider(source, destination?.provider ?? '') === provider
    reconsider(source, (candidate) => waitsHere(candidate) && this.shutUntil(source, candidate, now) > now)
  }

  /** Until when a source is closed to a mail, ms since 1970; 0 = it is not. */
  private shutUntil(source: string, { destination, stream }: Candidate, now: number): number {
    const { laneProvider, loadOf } = this.parts
    const provider = laneProvider(source, destination?.provider ?? '')
    const governing = this.board.governing(source, provider)
    if (!governing) return 0
    if (governing.known && governing.overflow === 'wait') return 0
    const rule = this.board.ruleOf(governing, stream, now)
    if (!rule) return 0
    const { counter } = governing
    const used = this.counts.used(source, counter, rule.day)
    if (used >= rule.limit) return rule.next?.(used) ?? Infinity
    const paced = this.counts.pacedUntil(source, counter)
    if (paced > now) return paced
    // The pace lets one message go at a time: one that waits in the lane is the one.
    return paced > 0 && loadOf(laneKey(source, provider)).busy ? now + busyMs : 0
  }

  private tellUnknown(): void {
    const unknown = this.board.unknown.join(', ')
    if (unknown !== '' && unknown !== this.told) {
      this.parts.log.notice(`warm-up of ${unknown}: nothing leaves by it until a sidecar has published its state`)
    }
    this.told = unknown
  }
}
