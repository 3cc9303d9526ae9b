// The suppression list in Redis: what the workers ask for every recipient. Entries are replaced by compare and set, so
// two sidecars never undo each other's. Everything here is a copy of what ClickHouse keeps.

import type { Callback, Redis, Result } from 'ioredis'

import { SluiceError } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { supersedes } from '@sluice/core/suppression/change'
import {
  bucketOf,
  canonicalAddress,
  fieldsOf,
  packSuppression,
  unpackSuppression,
  type Suppression,
  type SuppressionScope,
} from '@sluice/core/suppression/entry'

import { readAsset } from '../asset'
import { redisFault } from '../redis/connection'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    putSuppression(key: string, ...args: (string | Buffer | number | Callback<number>)[]): Result<number, Context>
  }
}

/** Entries in one pipeline. */
const together = 500
const attempts = 5

const bytes = (latin1: string): Buffer => Buffer.from(latin1, 'latin1')

interface Place {
  readonly key: string
  readonly fields: readonly Buffer[]
}

interface Found {
  /** First value as stored, empty where there is none. */
  readonly first: Buffer
  readonly entry: Suppression | undefined
}

/** What to do with an entry, told what is there. Undefined = leave it. */
type Edit = (known: Suppression | undefined) => Suppression | 'remove' | undefined

interface Task {
  readonly place: Place
  readonly edit: Edit
}

export class SuppressionStore {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RedisKeys,
  ) {
    redis.defineCommand('putSuppression', { numberOfKeys: 1, lua: readAsset('suppression/put.lua') })
  }

  /**
   * Everything listed under a name, in all scopes; lapsed and released entries too.
   * @throws SluiceError SLUICE_REDIS_AWAY
   */
  async of(name: string): Promise<Suppression[]> {
    const wanted = canonicalAddress(name)
    const flat = (await this.guarded('reading suppressions', () =>
      this.redis.callBuffer('HGETALL', this.keys.suppressed(bucketOf(wanted))),
    )) as Buffer[]
    return entriesOf(flat).filter(({ address }) => address === wanted)
  }

  /**
   * Lists recipients, where the policy of `supersedes` lets them.
   * @returns those that stand now: written, or there already by the same evidence
   * @throws SluiceError SLUICE_REDIS_AWAY
   */
  async put(entries: readonly Suppression[], now: number): Promise<Suppression[]> {
    const standing = new Set<Suppression>()
    const tasks = entries.map((entry): Task => ({
      place: this.placeOf(entry.address, entry.scope),
      edit: (known) => {
        const wins = supersedes(entry, known, now)
        if (wins || (known?.evidence === entry.evidence && known.reason === entry.reason)) standing.add(entry)
        else standing.delete(entry)
        return wins ? entry : undefined
      },
    }))
    await this.carryOut(tasks)
    return entries.filter((entry) => standing.has(entry))
  }

  /** Takes entries out that have lapsed. @throws SluiceError SLUICE_REDIS_AWAY */
  async sweep(places: readonly Pick<Suppression, 'address' | 'scope'>[], now: number): Promise<number> {
    const tasks = places.map(({ address, scope }): Task => ({
      place: this.placeOf(address, scope),
      edit: (known) => (known?.until !== undefined && known.until <= now ? 'remove' : undefined),
    }))
    return (await this.carryOut(tasks)).filter(Boolean).length
  }

  /** How far the evidence has been worked on, seconds by ClickHouse's clock; undefined where Redis has lost it. */
  async cursor(): Promise<number | undefined> {
    const text = await this.guarded('reading the cursor', () => this.redis.get(this.keys.suppressionCursor))
    const at = text === null ? NaN : Number(text)
    return Number.isFinite(at) ? at : undefined
  }

  async advance(cursor: number): Promise<void> {
    await this.guarded('writing the cursor', () => this.redis.set(this.keys.suppressionCursor, String(cursor)))
  }

  private placeOf(address: string, scope: SuppressionScope): Place {
    return { key: this.keys.suppressed(bucketOf(address)), fields: fieldsOf(address, scope).map(bytes) }
  }

  /** @returns for each task whether something was written */
  private async carryOut(tasks: readonly Task[]): Promise<boolean[]> {
    const written = tasks.map(() => false)
    for (let from = 0; from < tasks.length; from += together) {
      let open = tasks.slice(from, from + together).map((task, index) => ({ task, index: from + index }))
      for (let attempt = 0; open.length > 0; attempt++) {
        if (attempt === attempts) {
          throw new SluiceError('SLUICE_REDIS_AWAY', `others changed a suppression ${attempts} times in between`)
        }
        const answers = await this.attempt(open.map(({ task }) => task))
        for (const [at, { index }] of open.entries()) written[index] = answers[at] === 'written'
        open = open.filter((_, at) => answers[at] === 'conflict')
      }
    }
    return written
  }

  private async attempt(tasks: readonly Task[]): Promise<('written' | 'left' | 'conflict')[]> {
    const known = await this.read(tasks.map(({ place }) => place))
    const wanted = tasks.map(({ edit }, index) => edit(known[index]?.entry))
    const pipeline = this.redis.pipeline()
    tasks.forEach(({ place }, index) => {
      const next = wanted[index]
      if (next === undefined) return
      const values = next === 'remove' ? [] : packSuppression(next).map(([, value]) => bytes(value))
      const expected = known[index]?.first ?? Buffer.alloc(0)
      pipeline.putSuppression(place.key, expected, place.fields.length, ...place.fields, ...values)
    })
    const answers = await this.exec('writing suppressions', pipeline)
    let at = 0
    return wanted.map((next) => (next === undefined ? 'left' : answers[at++] === 1 ? 'written' : 'conflict'))
  }

  private async read(places: readonly Place[]): Promise<Found[]> {
    const pipeline = this.redis.pipeline()
    for (const { key, fields } of places) pipeline.hmgetBuffer(key, ...fields)
    const answers = (await this.exec('reading suppressions', pipeline)) as (Buffer | null)[][]
    return answers.map((values) => {
      const texts = values.flatMap((value) => (value ? [value.toString('latin1')] : []))
      return { first: values[0] ?? Buffer.alloc(0), entry: unpackSuppression(texts) }
    })
  }

  private async exec(doing: string, pipeline: ReturnType<Redis['pipeline']>): Promise<unknown[]> {
    const answers = (await this.guarded(doing, () => pipeline.exec())) ?? []
    return answers.map(([error, value]) => {
      if (error) throw redisFault(error, doing)
      return value
    })
  }

  private async guarded<T>(doing: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw redisFault(error, doing)
    }
  }
}

const firstBytes = 8

/** The entries of a bucket, from its fields and values in turn: a longer field continues the one it begins with. */
const entriesOf = (flat: readonly Buffer[]): Suppression[] => {
  const parts = new Map<string, string[]>()
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const field = (flat[at] as Buffer).toString('latin1')
    const values = parts.get(field.slice(0, firstBytes)) ?? []
    values[Number(field.slice(firstBytes))] = (flat[at + 1] as Buffer).toString('latin1')
    parts.set(field.slice(0, firstBytes), values)
  }
  return [...parts.values()].flatMap((values) => unpackSuppression(values) ?? [])
}
