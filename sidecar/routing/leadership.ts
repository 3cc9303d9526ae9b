// Which of several sidecars scores: the one whose id is in Redis, for a term that it renews. Who cannot renew in time
// stops leading by its own clock before the term ends in Redis, so two never lead at once.

import type { Redis } from 'ioredis'

import { messageOf } from '@sluice/core/errors'

import { readAsset } from '../asset'
import type { Log } from '../log'

const renew = readAsset('routing/renew.lua')
const resign = readAsset('routing/resign.lua')

export interface LeadershipOptions {
  readonly redis: Redis
  readonly key: string
  readonly id: string
  /** How long a term lasts, ms. */
  readonly termMs?: number
  readonly log: Log
}

const usualTermMs = 10_000

export class Leadership {
  private readonly termMs: number
  /** On performance.now(). */
  private leadsUntil = 0
  private led = false
  private trouble: string | undefined
  private readonly onReady = (): void => void this.ask()
  private timer: NodeJS.Timeout | undefined
  private renewing: Promise<void> = Promise.resolve()

  constructor(private readonly options: LeadershipOptions) {
    this.termMs = options.termMs ?? usualTermMs
  }

  /** Asks once, then every third of a term, and as soon as Redis is back. */
  async start(): Promise<void> {
    this.timer = setInterval(() => void this.ask(), this.termMs / 3)
    this.options.redis.on('ready', this.onReady)
    await this.ask()
  }

  /** Why Redis did not answer the last time; undefined where it did. */
  get fault(): string | undefined {
    return this.trouble
  }

  get leading(): boolean {
    return performance.now() < this.leadsUntil
  }

  /** Stops asking and gives the leadership back where it can. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    this.options.redis.off('ready', this.onReady)
    await this.renewing
    const led = this.leading
    this.leadsUntil = 0
    if (!led) return
    const { redis, key, id, log } = this.options
    try {
      await redis.eval(resign, 1, key, id)
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'leadership not given back; it ends with its term')
    }
  }

  private ask(): Promise<void> {
    this.renewing = this.renewing.then(() => this.askNow())
    return this.renewing
  }

  private async askNow(): Promise<void> {
    const { redis, key, id, log } = this.options
    const asked = performance.now()
    try {
      const leads = (await redis.eval(renew, 1, key, id, this.termMs)) === 1
      this.leadsUntil = leads ? asked + this.termMs : 0
      this.trouble = undefined
    } catch (error) {
      this.trouble = messageOf(error)
      log.debug({ error: messageOf(error) }, 'leadership not renewed')
    }
    if (this.leading !== this.led) log.info({ leading: this.leading }, this.leading ? 'scores now' : 'scores no longer')
    this.led = this.leading
  }
}
