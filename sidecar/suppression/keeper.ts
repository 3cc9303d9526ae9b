// Turns outcomes into suppressions: reads what has come into ClickHouse since, decides by the policy, lists in Redis and
// then in the ledger, and only then moves on. Each step can be done again, so an outcome suppresses exactly once
// whatever breaks in between; evidence that becomes visible late is met by looking back a minute. One sidecar does it:
// the one that scores. A Redis that has lost the list is filled again from the ledger.

import type { ClickHouseClient } from '@clickhouse/client'

import { meanings } from '@sluice/core/bounce/meaning'
import type { FeedbackConfig } from '@sluice/core/config/feedback'
import { messageOf } from '@sluice/core/errors'
import { scopeOf } from '@sluice/core/suppression/change'
import type { Suppression } from '@sluice/core/suppression/entry'
import { decideSuppression, shippedSoftRules, verifiedBy, type SoftRules } from '@sluice/core/suppression/policy'
import { softHistory } from '@sluice/core/suppression/soft-history'

import type { Log } from '../log'
import { Rounds } from '../rounds'
import { freshEvidence, historiesOf, historyKey, type Evidence, type History } from './evidence'
import { lapsedBetween, pages, record, rowOf } from './ledger'
import type { SuppressionStore } from './store'

export interface KeeperOptions {
  /** Undefined while ClickHouse is away. */
  readonly client: () => ClickHouseClient | undefined
  readonly store: SuppressionStore
  readonly leading: () => boolean
  /** Undefined where there is no feedback.yaml: nobody is suppressed. */
  readonly config: () => FeedbackConfig | undefined
  readonly log: Log
  readonly now?: () => number
  readonly everyMs?: number
  /** How late evidence may become visible, seconds. */
  readonly lookBackS?: number
}

const author = { author: 'sluice', note: '' }
const usualEveryMs = 1000
const usualLookBackS = 60
const pageSize = 2000
const restorePage = 10_000
const sweepEveryMs = 3_600_000
const dayMs = 86_400_000

export class Keeper {
  /** Recipients listed since the start of the process. */
  listed = 0
  /** Why the last round failed; empty where it did not. */
  fault = ''
  private readonly now: () => number
  private readonly lookBackS: number
  /** Ids worked on within the time that is looked back, with their second. */
  private readonly seen = new Map<string, number>()
  private sweptAt = 0
  private readonly rounds: Rounds

  constructor(private readonly options: KeeperOptions) {
    this.now = options.now ?? Date.now
    this.lookBackS = options.lookBackS ?? usualLookBackS
    this.rounds = new Rounds(() => this.attempt(), options.everyMs ?? usualEveryMs)
  }

  start(): void {
    this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** Works on what has come in; one round at a time. Never rejects. */
  round(): Promise<void> {
    return this.rounds.round()
  }

  private async attempt(): Promise<void> {
    const { client, leading, config, log } = this.options
    const clickhouse = client()
    const feedback = config()
    if (this.rounds.stopped || !clickhouse || !feedback || !leading()) {
      this.seen.clear()
      return
    }
    try {
      await this.work(clickhouse, feedback)
      if (this.fault) log.info({}, 'suppression is kept again')
      this.fault = ''
    } catch (error) {
      // Whatever was half done is done again.
      this.seen.clear()
      const fault = messageOf(error)
      if (fault !== this.fault) log.warn({ error: fault }, 'suppression not kept up; tried again')
      this.fault = fault
    }
  }

  private async work(client: ClickHouseClient, config: FeedbackConfig): Promise<void> {
    const { store } = this.options
    // Asked for each time: it goes with the list, where Redis loses it.
    let cursor = (await store.cursor()) ?? (await this.restore(client))
    let after = { second: Math.max(0, cursor - this.lookBackS), id: '' }
    for (;;) {
      const rows = await freshEvidence(client, after, pageSize)
      const fresh = rows.filter(({ id }) => !this.seen.has(id))
      await this.apply(client, config, fresh)
      for (const { id, second } of fresh) this.seen.set(id, second)
      const last = rows.at(-1)
      if (last && last.second > cursor) {
        cursor = last.second
        await store.advance(cursor)
      }
      if (!last || rows.length < pageSize || this.rounds.stopped) break
      after = last
    }
    for (const [id, second] of this.seen) if (second < cursor - this.lookBackS) this.seen.delete(id)
    await this.sweep(client)
  }

  /** @returns the cursor to begin with */
  private async restore(client: ClickHouseClient): Promise<number> {
    const { store, log } = this.options
    this.seen.clear()
    let restored = 0
    for await (const entries of pages(client, { limit: restorePage })) {
      const now = this.now()
      const standing = entries.filter(({ until }) => until === undefined || until > now)
      restored += (await store.put(standing, now)).length
    }
    if (restored > 0) log.warn({ restored }, 'Redis had lost the suppression list; filled again from ClickHouse')
    await store.advance(0)
    return 0
  }

  private async apply(client: ClickHouseClient, config: FeedbackConfig, fresh: readonly Evidence[]): Promise<void> {
    if (fresh.length === 0) return
    const rules = { ...shippedSoftRules, ...config.suppression.soft }
    const histories = await this.histories(client, fresh, rules)
    const now = this.now()
    const entries = fresh.flatMap((one) => entryFor(one, histories, rules, config) ?? [])
    const standing = await this.options.store.put(entries, now)
    await record(
      client,
      standing.map((entry) => rowOf(entry, author, now)),
    )
    this.listed += standing.length
    if (standing.length > 0) this.options.log.info({ recipients: standing.length }, 'recipients suppressed')
  }

  private async histories(
    client: ClickHouseClient,
    fresh: readonly Evidence[],
    rules: SoftRules,
  ): Promise<Map<string, History>> {
    const soft = fresh.filter((one) => one.class !== '' && rules[one.class] !== undefined)
    if (soft.length === 0) return new Map()
    const recipients = [...new Set(soft.map(({ recipient }) => recipient))]
    const longest = Math.max(...Object.values(rules).map(({ days }) => days))
    return historiesOf(client, recipients, Object.keys(rules), this.now() - (longest + 60) * dayMs)
  }

  private async sweep(client: ClickHouseClient): Promise<void> {
    const now = this.now()
    if (now - this.sweptAt < sweepEveryMs) return
    const lapsed = await lapsedBetween(client, this.sweptAt, now)
    if (lapsed.length > 0) await this.options.store.sweep(lapsed, now)
    this.sweptAt = now
  }
}

const nothing: History = { failures: [], deliveredAt: 0 }

const entryFor = (
  one: Evidence,
  histories: ReadonlyMap<string, History>,
  rules: SoftRules,
  { suppression }: FeedbackConfig,
): Suppression | undefined => {
  const { at, kind, class: found, identified_by, recipient, message_id, tenant, stream } = one
  const { failures, deliveredAt } = histories.get(historyKey(recipient, found)) ?? nothing
  const bounced = kind === 'bounced' || kind === 'oob_bounced'
  const decision = decideSuppression(
    {
      kind,
      class: found || 'other',
      hard: bounced && found !== '' && meanings[found].hard,
      verified: identified_by === '' || verifiedBy.includes(identified_by),
      at,
    },
    softHistory(failures, { at, message_id }, deliveredAt),
    rules,
  )
  return (
    decision && {
      address: recipient,
      scope: scopeOf(suppression.scope, decision.reason, tenant, stream),
      evidence: one.id,
      since: at,
      ...decision,
    }
  )
}
