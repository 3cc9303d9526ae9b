// Publishes routing documents: whole, with rising versions, one writer at a time (compare and set on the version), and
// notifies the workers. Both the score and the operators' changes go through `change`. What Redis has lost or somebody
// has damaged is put back from memory with a higher version, so that workers take it.

import type { Redis } from 'ioredis'

import { messageOf, SluiceError } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'
import type { RoutingDocument } from '@sluice/core/routing/table'
import { anyLapsed, standing, type Terms } from '@sluice/core/routing/terms'

import { readAsset } from '../asset'
import type { Log } from '../log'
import { redisFault } from '../redis/connection'
import { parseDocument } from './document'
import type { RoutingMemory } from './memory'

const publish = readAsset('routing/publish.lua')

/** Documents kept in Redis beside the current one; all of them are in ClickHouse. */
export const historyLength = 200
const attempts = 8
const patienceMs = 2000

export type Edit = (document: RoutingDocument) => Partial<Terms & Pick<RoutingDocument, 'pools'>>

export interface Published {
  readonly document: RoutingDocument
  readonly before: RoutingDocument
}

export interface PublisherOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly memory: RoutingMemory
  readonly log: Log
  readonly now?: () => number
}

interface Found {
  readonly document: RoutingDocument
  /** Version in Redis; 0 where there is none, or one that cannot be read. */
  readonly version: number
  /** Redis' own clock, ms since 1970. */
  readonly clock: number
  /** Why the document is not the one in Redis. */
  readonly fault?: SluiceError
}

export class RoutingPublisher {
  private readonly listeners = new Set<(published: Published) => void>()
  private readonly now: () => number
  private saidFault = ''

  constructor(private readonly options: PublisherOptions) {
    this.now = options.now ?? Date.now
  }

  onPublished(listener: (published: Published) => void): void {
    this.listeners.add(listener)
  }

  /** The last document seen, without asking Redis; version 0 where none was. */
  get last(): RoutingDocument {
    return this.options.memory.last
  }

  /**
   * The document in force; the last one seen where Redis has none or a damaged one.
   * @throws SluiceError SLUICE_REDIS_AWAY
   */
  async read(): Promise<RoutingDocument> {
    return (await this.find()).document
  }

  /** @throws SluiceError SLUICE_REDIS_AWAY */
  async history(limit: number): Promise<readonly RoutingDocument[]> {
    const { redis, keys } = this.options
    const texts = await redis.lrange(keys.routingHistory, 0, limit - 1).catch((error: unknown) => {
      throw redisFault(error, 'reading the routing history')
    })
    return texts.flatMap((text) => {
      try {
        return [parseDocument(text)]
      } catch {
        return [] // damaged entries of the past change nothing; the current document is what is reported
      }
    })
  }

  /**
   * Publishes what `edit` makes of the document in force; it may run several times when others publish in between.
   * @throws SluiceError SLUICE_REDIS_AWAY (nothing was changed), SLUICE_ROUTING_CONFLICT, or what `edit` throws
   */
  async change(by: string, reason: string, edit: Edit): Promise<Published> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const found = await this.find()
      const published = await this.replace(found, by, reason, edit(found.document))
      if (published) return published
    }
    throw new SluiceError('SLUICE_ROUTING_CONFLICT', `others published ${attempts} times in between; try again`)
  }

  /** Puts back what Redis has lost, and drops terms that have lapsed. Answers what it published, if anything. */
  async tend(by: string): Promise<Published | undefined> {
    const found = await this.find()
    if (found.version === 0 && (found.document.version > 0 || found.fault)) {
      return this.replace(
        found,
        by,
        found.fault ? 'the document in Redis was damaged' : 'Redis had lost its document',
        {},
      )
    }
    if (!anyLapsed(found.document, this.now())) return undefined
    return this.replace(found, by, 'overrides or suspensions have lapsed', {})
  }

  /** When what was published is remembered on disk. */
  settled(): Promise<void> {
    return this.options.memory.settled()
  }

  private async find(): Promise<Found> {
    const { redis, keys, memory } = this.options
    let text: string | null
    let clock: number
    try {
      const [seconds, microseconds] = await redis.time()
      clock = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
      text = await redis.get(keys.routing)
    } catch (error) {
      const fault = redisFault(error, 'reading the routing document')
      if (fault.code !== 'SLUICE_REDIS_CONTENT') throw fault
      return this.damaged(fault, this.now())
    }
    if (text === null) return { document: memory.last, version: 0, clock }
    try {
      const document = parseDocument(text)
      memory.take(document)
      this.saidFault = ''
      return { document, version: document.version, clock }
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      return { ...this.damaged(error, clock), version: versionIn(text) }
    }
  }

  private damaged(fault: SluiceError, clock: number): Found {
    if (fault.message !== this.saidFault) {
      this.options.log.error(
        { code: fault.code, error: fault.message },
        'the last routing document seen is used instead',
      )
    }
    this.saidFault = fault.message
    return { document: this.options.memory.last, version: 0, clock, fault }
  }

  /** Undefined where somebody else was quicker. */
  private async replace(
    found: Found,
    by: string,
    reason: string,
    edit: ReturnType<Edit>,
  ): Promise<Published | undefined> {
    const { redis, keys, memory } = this.options
    const at = this.now()
    const document: RoutingDocument = {
      // A damaged document's version is no measure: no worker has taken it.
      version: nextVersion(Math.max(found.document.version, memory.last.version), at),
      at,
      by: by.slice(0, 128),
      reason: reason.slice(0, 1024),
      pools: edit.pools ?? found.document.pools,
      ...standing({ ...found.document, ...edit }, at),
    }
    let answer: unknown
    try {
      answer = await redis.eval(
        publish,
        2,
        keys.routing,
        keys.routingHistory,
        found.version,
        found.clock + patienceMs,
        JSON.stringify(document),
        document.version,
        keys.routingChannel,
        historyLength,
      )
    } catch (error) {
      throw redisFault(error, 'publishing the routing document')
    }
    const [how] = answer as [string]
    if (how === 'late') throw new SluiceError('SLUICE_REDIS_AWAY', 'Redis took too long; nothing was changed')
    if (how !== 'published') return undefined
    memory.take(document)
    const published = { document, before: found.document }
    for (const listener of this.listeners) this.tell(listener, published)
    return published
  }

  private tell(listener: (published: Published) => void, published: Published): void {
    try {
      listener(published)
    } catch (error) {
      this.options.log.error({ error: messageOf(error) }, 'after publishing')
    }
  }
}

/**
 * One more than the last, and at least the seconds since 1970: whoever starts from nothing (Redis flushed, a new
 * machine) is still above what workers have seen.
 */
export const nextVersion = (last: number, nowMs: number): number => Math.max(last + 1, Math.floor(nowMs / 1000))

/** Version of a document that is otherwise damaged, as publish.lua reads it. */
const versionIn = (text: string): number => {
  try {
    const plain: unknown = JSON.parse(text)
    const version = typeof plain === 'object' && plain !== null ? (plain as { version?: unknown }).version : undefined
    return typeof version === 'number' ? version : 0
  } catch {
    return 0
  }
}
