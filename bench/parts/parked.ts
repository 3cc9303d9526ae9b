// Mail that waits in a Haraka with Sluice, as an operator asks for it, and the suspension of a provider.

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

import { parkedAnswerSchema, type ParkedRequest } from '@sluice/core/parked/exchange'
import { redisKeys } from '@sluice/core/redis/keys'
import { routingSchema } from '@sluice/core/routing/table'
import { Redis } from 'ioredis'

/** A worker that has not connected yet does not hear the question. */
const patienceMs = 5000

export class Operator {
  private readonly redis: Redis
  private version = 0

  constructor(
    url: string,
    private readonly prefix: string,
  ) {
    this.redis = new Redis(url)
  }

  /** Suspends these providers and no others. */
  async suspend(...providers: readonly string[]): Promise<void> {
    const keys = redisKeys(this.prefix)
    const because = { author: 'bench', reason: 'bench', since: 0 }
    const document = routingSchema.parse({
      version: ++this.version,
      at: Date.now(),
      by: 'bench',
      reason: 'bench',
      pools: {},
      overrides: [],
      suspensions: providers.map((provider) => ({ ...because, id: provider, provider })),
    })
    await this.redis.set(keys.routing, JSON.stringify(document))
    await this.redis.publish(keys.routingChannel, String(document.version))
  }

  /** How many mails wait; the time of the answer in ms. */
  async waiting(): Promise<{ readonly count: number; readonly ms: number }> {
    const keys = redisKeys(this.prefix)
    const begun = performance.now()
    const id = randomUUID()
    const request: ParkedRequest = { id, until: Date.now() + patienceMs, filter: {}, verb: 'list', sample: 0 }
    await this.redis.publish(keys.parkedChannel, JSON.stringify(request))
    const found = await this.redis.blpop(keys.parkedAnswers(id), patienceMs / 1000)
    const count = found ? parkedAnswerSchema.parse(JSON.parse(found[1])).waiting : 0
    return { count, ms: performance.now() - begun }
  }

  /** Once that many mails wait. */
  async until(count: number, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const { count: now } = await this.waiting()
      if (now === count) return
      if (Date.now() > deadline) throw new Error(`${now} of ${count} mails wait`)
      await pause(500)
    }
  }

  stop(): void {
    this.redis.disconnect()
  }
}
