// Warm-ups as operators see and change them: listed with what is used of today's allowance, started, held, let go on,
// set to a stage, each change with its trail in the audit; the history from ClickHouse, with what has not been shipped
// there yet. Any sidecar may change them; the leader goes on from what is published.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Redis } from 'ioredis'

import { SluiceError } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { allowanceOn, dayOf } from '@sluice/core/warmup/allowance'
import type { Warmup, WarmupDocument } from '@sluice/core/warmup/document'
import { hold, set, start, type Plans } from '@sluice/core/warmup/register'
import type { Edited, Register } from '@sluice/core/warmup/draft'

import type { Asker, Trail } from '../changes/trail'
import type { Journal } from '../journal/journal'
import { eventOf, readEvents, type EventRow, type HistoryQuestion } from './history'
import { readCounts } from './observed'
import type { WarmupStore } from './store'

export interface WarmupsOptions {
  readonly store: WarmupStore
  readonly trail: Trail
  readonly journal: Journal
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly plans: () => Plans
  /** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
  readonly client: () => ClickHouseClient
  readonly now?: () => number
}

export interface StandingWarmup {
  readonly warmup: Warmup
  readonly stages: number
  /** Messages of today; undefined = warm, no limit. */
  readonly allowance: number | undefined
  /** Messages of today that the warm-up has let go. */
  readonly used: number
}

export interface Standing {
  readonly document: WarmupDocument
  /** Redis is away, this is the last document seen; what is used is not known. */
  readonly stale: boolean
  readonly warmups: readonly StandingWarmup[]
}

export interface WantedStart {
  readonly source: string
  readonly plan: string
  /** Provider, or `*` -> share of the plan's volume. */
  readonly providers: Readonly<Record<string, number>>
  readonly stage?: number | undefined
  readonly overflow: Warmup['overflow']
}

export interface WantedChange {
  readonly source: string
  /** Absent: all warm-ups of the source. */
  readonly provider?: string | undefined
}

export class Warmups {
  private readonly now: () => number

  constructor(private readonly options: WarmupsOptions) {
    this.now = options.now ?? Date.now
  }

  /** @throws SluiceError SLUICE_CLICKHOUSE_AWAY where Redis has lost the document and nobody has a copy */
  async standing(): Promise<Standing> {
    const { store, redis, keys } = this.options
    const now = this.now()
    try {
      const document = await store.read()
      const today = dayOf(now)
      const ofToday = document.warmups.map(({ state, ...rest }) => ({
        ...rest,
        state: { ...state, closed: today - 1 },
      }))
      const counts = await readCounts(redis, keys, ofToday, today)
      return this.describe(document, false, now, (warmup) => counts(warmup, today) ?? 0)
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'SLUICE_REDIS_AWAY') throw error
      return this.describe(store.last, true, now, () => 0)
    }
  }

  /** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
  async history(question: HistoryQuestion, signal?: AbortSignal): Promise<EventRow[]> {
    const { journal, client } = this.options
    // The journal first: what is shipped between the two questions is then in both, not in neither.
    const waiting = ((await journal.next())?.rows ?? []).map(eventOf)
    const wanted = waiting.filter(
      ({ source, provider, at }) =>
        source === question.source &&
        (question.provider === '' || provider === question.provider) &&
        at >= question.since,
    )
    const kept = await readEvents(client(), question, signal)
    const events = new Map([...kept, ...wanted].map((event) => [event.id, event]))
    return [...events.values()].sort((a, b) => b.at - a.at).slice(0, question.limit)
  }

  /** @throws SluiceError SLUICE_JOURNAL, SLUICE_REDIS_AWAY, SLUICE_ROUTING_CONFLICT; nothing was changed then */
  start(asker: Asker, { source, plan: id, providers, stage, overflow }: WantedStart): Promise<Warmup[]> {
    const plan = this.options.plans()[id]
    if (!plan) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no plan is named ${id}`)
    const details = { plan: id, providers, overflow, ...(stage !== undefined && { stage }) }
    return this.make('start_warmup', asker, { source }, details, (register, now) =>
      Object.entries(providers).reduce<Edited>(
        (edited, [provider, share]) => {
          const wanted = { source, provider, share, overflow, stage, origin: 'operator' as const }
          const next = start(edited.register, plan, wanted, now, asker.reason)
          return { register: next.register, notes: [...edited.notes, ...next.notes] }
        },
        { register, notes: [] },
      ),
    )
  }

  /** @throws SluiceError SLUICE_HTTP_NOT_FOUND and those of `start` */
  hold(asker: Asker, target: WantedChange, held: boolean): Promise<Warmup[]> {
    const action = held ? 'hold_warmup' : 'resume_warmup'
    return this.each(action, asker, target, {}, (register, warmup, now) =>
      hold(register, warmup, held, now, asker.reason),
    )
  }

  /** @throws as `hold`; a stage beyond the last means warm */
  setStage(asker: Asker, target: WantedChange, stage: number): Promise<Warmup[]> {
    return this.each('set_warmup_stage', asker, target, { stage }, (register, warmup, now) =>
      set(register, warmup, stage, now, asker.reason),
    )
  }

  private each(
    action: string,
    asker: Asker,
    target: WantedChange,
    details: object,
    edit: (register: Register, warmup: Warmup, now: number) => Edited,
  ): Promise<Warmup[]> {
    return this.make(action, asker, target, details, (register, now) => {
      const meant = register.warmups.filter((one) => isMeant(one, target))
      if (meant.length === 0) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', sayNone(target))
      return meant.reduce<Edited>(
        (edited, warmup) => {
          const next = edit(edited.register, warmup, now)
          return { register: next.register, notes: [...edited.notes, ...next.notes] }
        },
        { register, notes: [] },
      )
    })
  }

  private make(
    action: string,
    asker: Asker,
    target: WantedChange,
    details: object,
    edit: (register: Register, now: number) => Edited,
  ): Promise<Warmup[]> {
    const { trail, store } = this.options
    return trail.make(asker, { action, ...target, details }, async () => {
      const { document } = await store.change(asker.author, asker.author, edit)
      return document.warmups.filter((one) => isMeant(one, target))
    })
  }

  private describe(document: WarmupDocument, stale: boolean, now: number, used: (warmup: Warmup) => number): Standing {
    const warmups = document.warmups.flatMap((warmup) => {
      const plan = document.plans[warmup.state.plan]
      if (!plan) return []
      const allowance = allowanceOn(warmup.state, plan, now)
      return [{ warmup, stages: plan.stages.length, allowance, used: used(warmup) }]
    })
    return { document, stale, warmups }
  }
}

const isMeant = (warmup: Warmup, { source, provider }: WantedChange): boolean =>
  warmup.source === source && (provider === undefined || warmup.provider === provider)

const sayNone = ({ source, provider }: WantedChange): string =>
  provider === undefined ? `${source} is not warmed up` : `${source} is not warmed up towards ${provider} by itself`
