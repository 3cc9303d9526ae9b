// Asks all workers something about the mail that waits at them, and puts their answers together. Who is to answer is
// known from the workers' heartbeats; those who do not in time are named, so that nobody takes a part for the whole.

import { randomUUID } from 'node:crypto'

import type { Redis } from 'ioredis'
import type { z } from 'zod'

import { messageOf } from '@sluice/core/errors'
import { parkedAnswerSchema, parkedRequestSchema, type ParkedAnswer } from '@sluice/core/parked/exchange'
import { GroupCounter } from '@sluice/core/parked/groups'
import type { RedisKeys } from '@sluice/core/redis/keys'

import type { Log } from '../log'
import { redisFault } from '../redis/connection'

export interface ParkedExchangeOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly log: Log
  readonly now?: () => number
}

/** What to ask; id and end are the exchange's. */
type Question = DistributiveOmit<z.input<typeof parkedRequestSchema>, 'id' | 'until'>
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

export interface ParkedTotal extends Omit<ParkedAnswer, 'worker'> {
  /** Workers that have answered. */
  workers: number
  /** Those that have not in time: what they have is not in here. */
  incomplete: string[]
}

/** ms without a heartbeat after which a worker is not asked; workers beat three times as often. */
const silenceMs = 10_000
/** ms. Ending mail takes its time, looking at it does not. */
const patienceMs = { list: 4000, flush: 10_000, move: 10_000, drop: 30_000 } as const

export class ParkedExchange {
  private readonly now: () => number

  constructor(private readonly options: ParkedExchangeOptions) {
    this.now = options.now ?? Date.now
  }

  /** @throws SluiceError SLUICE_REDIS_AWAY */
  async ask(question: Question): Promise<ParkedTotal> {
    const { keys, redis } = this.options
    const patience = patienceMs[question.verb]
    const request = parkedRequestSchema.parse({ ...question, id: randomUUID(), until: this.now() + patience })
    // Waiting for answers holds a connection up, so it has one of its own.
    const listener = redis.duplicate({ lazyConnect: true, commandTimeout: patience * 2, retryStrategy: () => null })
    listener.on('error', (error: unknown) => this.options.log.debug({ error: messageOf(error) }, 'parked mail'))
    try {
      await listener.connect()
      const awaited = await this.alive()
      await redis.publish(keys.parkedChannel, JSON.stringify(request))
      const answers = await this.collect(listener, keys.parkedAnswers(request.id), awaited, patience)
      const heard = new Set(answers.map(({ worker }) => worker))
      return { ...total(answers, question), incomplete: awaited.filter((worker) => !heard.has(worker)) }
    } catch (error) {
      throw redisFault(error, 'asking the workers for parked mail')
    } finally {
      listener.disconnect()
    }
  }

  private async alive(): Promise<string[]> {
    const { redis, keys } = this.options
    const [seconds, microseconds] = await redis.time()
    const now = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
    return redis.zrangebyscore(keys.workers, now - silenceMs, '+inf')
  }

  private async collect(
    listener: Redis,
    key: string,
    awaited: readonly string[],
    patience: number,
  ): Promise<ParkedAnswer[]> {
    const answers = new Map<string, ParkedAnswer>()
    const end = performance.now() + patience
    while (awaited.some((worker) => !answers.has(worker))) {
      const left = (end - performance.now()) / 1000
      if (left <= 0) break
      const found = await listener.blpop(key, Math.max(0.01, left))
      if (!found) break
      const answer = this.read(found[1])
      if (answer) answers.set(answer.worker, answer)
    }
    return [...answers.values()]
  }

  private read(text: string): ParkedAnswer | undefined {
    try {
      return parkedAnswerSchema.parse(JSON.parse(text))
    } catch (error) {
      this.options.log.error({ code: 'SLUICE_REDIS_CONTENT', error: messageOf(error) }, 'an answer about parked mail')
      return undefined
    }
  }
}

const total = (answers: readonly ParkedAnswer[], question: Question): Omit<ParkedTotal, 'incomplete'> => {
  const counter = new GroupCounter()
  const refused: Record<string, number> = {}
  const sum = (value: (answer: ParkedAnswer) => number): number => answers.reduce((all, one) => all + value(one), 0)
  for (const answer of answers) {
    answer.groups.forEach((group) => counter.add(group))
    for (const [why, count] of Object.entries(answer.refused)) refused[why] = (refused[why] ?? 0) + count
  }
  const { groups, others } = counter.result()
  const sample = question.verb === 'list' ? question.sample : 0
  return {
    workers: answers.length,
    waiting: sum(({ waiting }) => waiting),
    matched: sum(({ matched }) => matched),
    done: sum(({ done }) => done),
    refused,
    groups,
    others: others + sum((answer) => answer.others),
    mails: answers
      .flatMap(({ mails }) => mails)
      .toSorted((a, b) => a.queued_at - b.queued_at)
      .slice(0, sample),
  }
}
