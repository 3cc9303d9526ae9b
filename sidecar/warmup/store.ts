// The warm-up document in Redis: read, changed by one writer at a time (compare and set on its text), its workers
// notified. What Redis has lost or somebody has damaged is put back from the copy of this sidecar, else from the
// history in ClickHouse, with a higher version. Until one of them can be had nothing is published, so that a warm-up
// never begins anew because its state was out of reach.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Redis } from 'ioredis'

import { messageOf, SluiceError } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { mostWarmups, noWarmups, parseWarmups, type WarmupDocument } from '@sluice/core/warmup/document'
import type { Edited, Register, WarmupNote } from '@sluice/core/warmup/draft'
import type { Plans } from '@sluice/core/warmup/register'

import { readAsset } from '../asset'
import type { Log } from '../log'
import { redisFault } from '../redis/connection'
import { nextVersion } from '../routing/publisher'
import { readRegister } from './history'

const publish = readAsset('warmup/publish.lua')
const attempts = 8
const patienceMs = 2000

export interface WarmupStoreOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  /** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
  readonly client: () => ClickHouseClient
  readonly plans: () => Plans
  /** Writes down what was decided; rejects where it cannot. */
  readonly record: (note: WarmupNote, at: number, author: string) => Promise<unknown>
  readonly log: Log
  readonly now?: () => number
}

export type EditWarmups = (register: Register, now: number) => Edited | Promise<Edited>

interface Found {
  /** What Redis holds, as it is; empty = nothing. */
  readonly text: string
  readonly document: WarmupDocument
  /** Redis' own clock, ms since 1970. */
  readonly clock: number
  /** It is not in Redis as it should be. */
  readonly lost: boolean
}

export interface Changed {
  readonly document: WarmupDocument
  readonly notes: readonly WarmupNote[]
}

export class WarmupStore {
  private copy: WarmupDocument = noWarmups
  private text = ''
  private readonly now: () => number

  constructor(private readonly options: WarmupStoreOptions) {
    this.now = options.now ?? Date.now
  }

  /** The last document seen; version 0 where none was. */
  get last(): WarmupDocument {
    return this.copy
  }

  /** @throws SluiceError SLUICE_REDIS_AWAY; SLUICE_CLICKHOUSE_AWAY where Redis has lost it and there is no copy */
  async read(): Promise<WarmupDocument> {
    return (await this.find()).document
  }

  /**
   * Publishes what `edit` makes of the register, where it makes anything of it or Redis has lost the document; it may
   * run several times when others publish in between.
   * @param author empty: decided by the rule
   * @throws SluiceError as `read`, SLUICE_ROUTING_CONFLICT, or what `edit` throws; nothing was changed then
   */
  async change(by: string, author: string, edit: EditWarmups): Promise<Changed> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const found = await this.find()
      const at = this.now()
      const { register, notes } = await edit(found.document, at)
      if (register === found.document && !found.lost) return { document: found.document, notes }
      const document = await this.replace(found, by, register, at)
      if (!document) continue
      await this.writeDown(notes, at, author)
      return { document, notes }
    }
    throw new SluiceError('SLUICE_ROUTING_CONFLICT', `others changed warm-ups ${attempts} times in between; try again`)
  }

  private async find(): Promise<Found> {
    const { redis, keys } = this.options
    let text: string
    let clock: number
    try {
      const [seconds, microseconds] = await redis.time()
      clock = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
      text = (await redis.get(keys.warmup)) ?? ''
    } catch (error) {
      const fault = redisFault(error, 'reading the warm-up document')
      if (fault.code !== 'SLUICE_REDIS_CONTENT') throw fault
      // A key of another type: nobody's document.
      return { text: '', clock: this.now(), document: await this.remembered(fault.message), lost: true }
    }
    if (text !== '' && text === this.text) return { text, clock, document: this.copy, lost: false }
    if (text === '')
      return { text, clock, document: await this.remembered('Redis has none'), lost: this.copy.version > 0 }
    try {
      this.copy = parseWarmups(text)
      this.text = text
      return { text, clock, document: this.copy, lost: false }
    } catch (error) {
      return { text, clock, document: await this.remembered(messageOf(error)), lost: true }
    }
  }

  /** The copy, or what the history says; `noWarmups` where that says nothing either. */
  private async remembered(why: string): Promise<WarmupDocument> {
    const { client, plans, log } = this.options
    if (this.copy.version === 0) {
      const register = await readRegister(client(), plans())
      if (register.warmups.length === 0) return noWarmups
      this.copy = { ...noWarmups, version: 1, ...register }
    }
    log.warn({ why, warmups: this.copy.warmups.length }, 'warm-ups are put back')
    return this.copy
  }

  /** Undefined where somebody else was quicker. */
  private async replace(found: Found, by: string, register: Register, at: number): Promise<WarmupDocument | undefined> {
    const { redis, keys } = this.options
    if (register.warmups.length > mostWarmups) {
      throw new SluiceError('SLUICE_ROUTING_CONFLICT', `there would be more than ${mostWarmups} warm-ups`)
    }
    const { plans, warmups } = register
    const version = nextVersion(Math.max(found.document.version, this.copy.version), at)
    const document: WarmupDocument = { version, at, by: by.slice(0, 128), plans, warmups }
    const text = JSON.stringify(document)
    let answer: unknown
    try {
      answer = await redis.eval(
        publish,
        1,
        keys.warmup,
        found.text,
        found.clock + patienceMs,
        text,
        version,
        keys.warmupChannel,
      )
    } catch (error) {
      throw redisFault(error, 'publishing the warm-up document')
    }
    if (answer === 'late') throw new SluiceError('SLUICE_REDIS_AWAY', 'Redis took too long; nothing was changed')
    if (answer !== 'published') return undefined
    this.copy = document
    this.text = text
    return document
  }

  /** It is decided and published already: what cannot be written down is in the log. */
  private async writeDown(notes: readonly WarmupNote[], at: number, author: string): Promise<void> {
    for (const [index, note] of notes.entries()) {
      const { source, provider } = note.warmup
      this.options.log.info({ source, provider, ...note.event, author }, `warm-up ${note.event.kind}`)
      try {
        // A ms apart: their order is kept, and the last of them is the one that is put back.
        await this.options.record(note, at + index, author)
      } catch (error) {
        this.options.log.error({ ...note, error: messageOf(error) }, 'an event of warm-up is not recorded')
      }
    }
  }
}
