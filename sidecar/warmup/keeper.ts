// The loop of warm-up: starts what is configured, steps back on blocks, closes finished days. Only the leader decides;
// what it decides is published, and everybody goes by what is published. A round that fails changes nothing and is
// tried again. Days are closed once and in order, however late, and whoever leads: a clock that jumps back closes none
// twice.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Redis } from 'ioredis'
import { setTimeout as after } from 'node:timers/promises'

import { messageOf } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { minute } from '@sluice/core/shaping/rate'
import { dayOf } from '@sluice/core/warmup/allowance'
import type { WarmupNote } from '@sluice/core/warmup/draft'
import { closeDays, configure, stepBack, type Observed } from '@sluice/core/warmup/register'

import type { LiveConfiguration } from '../config/live'
import type { Log } from '../log'
import { readCounts, readDays, readFeedback } from './observed'
import type { WarmupStore } from './store'

export interface WarmupKeeperOptions {
  readonly configuration: Pick<LiveConfiguration, 'current'>
  readonly store: WarmupStore
  readonly redis: Redis
  readonly keys: RedisKeys
  /** Undefined while ClickHouse is away. */
  readonly client: () => ClickHouseClient | undefined
  readonly leadership: { readonly leading: boolean }
  /** Who publishes. */
  readonly id: string
  readonly log: Log
}

const roundEveryMs = 5000
/** A day is closed so long after its end: its last outcomes have come in by then. */
const graceMs = 15 * minute

export class WarmupKeeper {
  private readonly stopping = new AbortController()
  private running: Promise<void> = Promise.resolve()
  private trouble = ''

  constructor(private readonly options: WarmupKeeperOptions) {}

  start(): void {
    this.running = this.loop()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  /** Why the last round failed; empty where it did not. */
  get fault(): string {
    return this.trouble
  }

  private async loop(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await this.round()
      try {
        await after(roundEveryMs, undefined, { signal: this.stopping.signal })
      } catch {
        return // stopped while waiting
      }
    }
  }

  /** One round; never rejects. */
  async round(): Promise<readonly WarmupNote[]> {
    const { leadership, client, log } = this.options
    const clickhouse = client()
    if (!leadership.leading || !clickhouse) return []
    try {
      const notes = await this.step(clickhouse)
      if (this.trouble) log.info({}, 'warm-ups are looked after again')
      this.trouble = ''
      return notes
    } catch (error) {
      if (this.trouble !== messageOf(error)) log.warn({ error: messageOf(error) }, 'warm-ups stay as they are')
      this.trouble = messageOf(error)
      return []
    }
  }

  private async step(client: ClickHouseClient): Promise<readonly WarmupNote[]> {
    const { store, configuration, id } = this.options
    const { shaping, plans } = configuration.current
    const { notes } = await store.change(id, '', async (register, now) => {
      const configured = configure(register, shaping.warmup, plans, now)
      const { warmups } = configured.register
      if (warmups.length === 0) return configured
      const days = await readDays(client, warmups, dayOf(now))
      const back = stepBack(configured.register, { days })
      const today = dayOf(now - graceMs)
      const due = back.register.warmups.some(({ state }) => state.closed < today - 1)
      const closed = due
        ? closeDays(back.register, today, await this.observed(client, warmups, days, today))
        : undefined
      return {
        register: (closed ?? back).register,
        notes: [...configured.notes, ...back.notes, ...(closed?.notes ?? [])],
      }
    })
    return notes
  }

  private async observed(
    client: ClickHouseClient,
    warmups: Parameters<typeof readCounts>[2],
    days: Observed['days'],
    today: number,
  ): Promise<Observed> {
    const { redis, keys } = this.options
    const feedback = await readFeedback(client, today)
    return { days, feedback, used: await readCounts(redis, keys, warmups, today) }
  }
}
