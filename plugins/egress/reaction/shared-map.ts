// A map that all workers share through Redis and that each of them keeps whole in memory, so that asking it costs
// nothing. A change holds here at once and is written where Redis still has what was read; where another worker was
// quicker both values are joined and written again, so nobody waits and no order is needed. Others are told by the
// change's number: a gap means that something was missed, and everything is read again. While Redis is away changes
// are kept and written when it is back. What does not parse is refused with a code and changes nothing here.

import { messageOf, SluiceError } from '@sluice/core/errors'

import type { LinkLog, RedisLink } from '../redis/link'
import { Pump } from './pump'

export interface SharedMapParts<T> {
  readonly link: RedisLink
  readonly log: LinkLog
  /** Unique among all workers; without spaces. */
  readonly worker: string
  readonly keys: {
    readonly entries: string
    readonly ends: string
    readonly sequence: string
    readonly channel: string
  }
  /** @throws SluiceError */
  readonly parse: (text: string) => T
  readonly say: (value: T) => string
  /** Commutative, associative and idempotent. */
  readonly join: (a: T, b: T) => T
  /** How long the value is kept from now on, ms. */
  readonly keptMs: (value: T) => number
  /** Entries kept at most. */
  readonly most: number
}

interface Entry<T> {
  value: T
  /** What Redis held when it was read or written last; empty = nothing. */
  text: string
  /** `value` is not in Redis yet. */
  dirty: boolean
  /** To be written now, not with the next batch. */
  urgent: boolean
  writing: boolean
}

/** Changes that are not urgent are written so often; lost notices are looked for with them. ms */
const everyMs = 1000
/** Conflicts in a row after which a write waits for the next batch. */
const mostConflicts = 20
/** Fields asked for in one step of a whole read. */
const scanCount = 200

export class SharedMap<T> {
  private readonly entries = new Map<string, Entry<T>>()
  private readonly listeners: ((name: string, value: T | undefined) => void)[] = []
  private readonly wanted = new Set<string>()
  private readonly pump = new Pump(() => this.readWanted())
  private timer: NodeJS.Timeout | undefined
  /** Number of the last change that was told; it may be behind for a moment. */
  private told = 0
  private behindOf = 0
  private loading: Promise<void> | undefined
  private readonly firstLoad: Promise<void>
  private loaded: () => void = () => undefined

  constructor(private readonly parts: SharedMapParts<T>) {
    this.firstLoad = new Promise((resolve) => (this.loaded = resolve))
    parts.link.onReturn(() => void this.load())
    parts.link.subscribe(parts.keys.channel, (text) => this.heard(text))
  }

  /** Told of every change of a value, wherever it was made; undefined = forgotten. */
  onChange(listener: (name: string, value: T | undefined) => void): void {
    this.listeners.push(listener)
  }

  start(): void {
    this.timer ??= setInterval(() => this.beat(), everyMs).unref()
  }

  stop(): void {
    clearInterval(this.timer)
  }

  /** Resolves once everything has been read for the first time, or after `ms`: nobody waits for a Redis that is away. */
  async ready(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
    await Promise.race([this.firstLoad, late])
    clearTimeout(timer)
  }

  get size(): number {
    return this.entries.size
  }

  get(name: string): T | undefined {
    return this.entries.get(name)?.value
  }

  /** Holds here at once; written at once where it is urgent, else with the next batch. */
  put(name: string, value: T, urgent: boolean): void {
    let entry = this.entries.get(name)
    if (!entry) this.entries.set(name, (entry = { value, text: '', dirty: true, urgent: false, writing: false }))
    entry.value = value
    entry.dirty = true
    entry.urgent ||= urgent
    this.tell(name, value)
    if (entry.urgent) void this.write(name, entry)
  }

  private async write(name: string, entry: Entry<T>): Promise<void> {
    if (entry.writing) return // whoever writes it looks again
    entry.writing = true
    let conflicts = 0
    while (entry.urgent && conflicts < mostConflicts) {
      entry.urgent = false
      const { value } = entry
      const answer = await this.teach(name, entry.text, value)
      if (!answer) break
      entry.text = answer.text
      if (answer.written) {
        if (entry.value === value) entry.dirty = false
      } else {
        conflicts++
        this.merge(name, entry, answer.text)
        entry.dirty = entry.urgent = true
      }
    }
    entry.writing = false
  }

  /** undefined where Redis is away. */
  private async teach(name: string, read: string, value: T) {
    const { link, keys, worker, say, keptMs, most, log } = this.parts
    try {
      const [written, text] = await link.run((redis) =>
        redis.teach(
          keys.entries,
          keys.ends,
          keys.sequence,
          name,
          read,
          say(value),
          Math.max(1, Math.round(keptMs(value))),
          most,
          keys.channel,
          worker,
        ),
      )
      return { written: written === 1, text }
    } catch (thrown) {
      // The link has told of an absence; its return writes what is dirty.
      if (!isAway(thrown)) log.error(`${keys.entries}: ${messageOf(thrown)}`)
      return undefined
    }
  }

  private heard(text: string): void {
    const [, number, worker, name] = /^(\d{1,15}) (\S+) (.+)$/s.exec(text) ?? []
    if (number === undefined || name === undefined) return
    const missed = this.told > 0 && Number(number) > this.told + 1
    this.told = Math.max(this.told, Number(number))
    if (missed) void this.load()
    else if (worker !== this.parts.worker) {
      this.wanted.add(name)
      this.pump.run()
    }
  }

  private async readWanted(): Promise<boolean> {
    const names = [...this.wanted].slice(0, scanCount)
    if (names.length === 0) return false
    for (const name of names) this.wanted.delete(name)
    const { link, keys } = this.parts
    try {
      const texts = await link.run((redis) => redis.hmget(keys.entries, ...names))
      names.forEach((name, index) => this.take(name, texts[index] ?? ''))
      return true
    } catch {
      this.wanted.clear() // away: the link has said so, and everything is read when it is back
      return false
    }
  }

  /** What Redis holds of one name; empty = nothing. */
  private take(name: string, text: string): void {
    const entry = this.entries.get(name)
    if (text === (entry?.text ?? '')) return
    if (entry) {
      entry.text = text
      if (text !== '') this.merge(name, entry, text)
      else if (!entry.dirty) this.forget(name)
      return
    }
    const value = this.read(name, text)
    if (value === undefined) return
    this.entries.set(name, { value, text, dirty: false, urgent: false, writing: false })
    this.tell(name, value)
  }

  private merge(name: string, entry: Entry<T>, text: string): void {
    const theirs = text === '' ? undefined : this.read(name, text)
    if (theirs === undefined) return
    entry.value = entry.dirty ? this.parts.join(entry.value, theirs) : theirs
    this.tell(name, entry.value)
  }

  private read(name: string, text: string): T | undefined {
    try {
      return this.parts.parse(text)
    } catch (thrown) {
      const why = thrown instanceof SluiceError ? `${thrown.code}: ${thrown.message}` : messageOf(thrown)
      this.parts.log.error(`${this.parts.keys.entries} ${name}: ${why}; it is left alone`)
      return undefined
    }
  }

  private forget(name: string): void {
    this.entries.delete(name)
    this.tell(name, undefined)
  }

  private tell(name: string, value: T | undefined): void {
    for (const listener of this.listeners) listener(name, value)
  }

  /** Writes what is not urgent, and looks whether a notice was lost. */
  private beat(): void {
    if (!this.parts.link.present) return
    for (const [name, entry] of this.entries) {
      if (!entry.dirty || entry.writing) continue
      entry.urgent = true
      void this.write(name, entry)
    }
    void this.lookForLosses()
  }

  private async lookForLosses(): Promise<void> {
    const number = await this.sequence()
    // One beat's patience: the notice may be on its way.
    if (number !== undefined && number !== this.told && this.behindOf === number) await this.load()
    this.behindOf = number !== undefined && number !== this.told ? number : 0
  }

  private async sequence(): Promise<number | undefined> {
    const { link, keys } = this.parts
    try {
      return Number((await link.run((redis) => redis.get(keys.sequence))) ?? 0)
    } catch {
      return undefined // away: the link has said so
    }
  }

  /** Reads everything; one read at a time serves all who ask. */
  private load(): Promise<void> {
    this.loading ??= this.loadAll().finally(() => (this.loading = undefined))
    return this.loading
  }

  private async loadAll(): Promise<void> {
    const { link, keys } = this.parts
    const number = await this.sequence()
    if (number === undefined) return
    // A Redis that has lost its data is given back what is known here.
    const lost = number < this.told
    this.told = number
    // What is written while the entries are read may be missed by the scan.
    const before = new Map([...this.entries].map(([name, { text }]) => [name, text]))
    const found = new Set<string>()
    try {
      let cursor = '0'
      do {
        const [next, fields] = await link.run((redis) => redis.hscan(keys.entries, cursor, 'COUNT', scanCount))
        cursor = next
        for (let index = 0; index < fields.length; index += 2) {
          const name = fields[index] ?? ''
          found.add(name)
          this.take(name, fields[index + 1] ?? '')
        }
      } while (cursor !== '0')
    } catch {
      return // away: its return reads again
    }
    for (const [name, entry] of this.entries) {
      if (found.has(name) || entry.text !== before.get(name)) continue
      if (lost || entry.dirty) Object.assign(entry, { text: '', dirty: true })
      else this.forget(name)
    }
    this.loaded()
  }
}

const isAway = (thrown: unknown): boolean => thrown instanceof SluiceError && thrown.code === 'SLUICE_REDIS_AWAY'
