// Automatic actions as operators see them: read from the log the workers keep in Redis, for as long as it keeps them
// (seven days after they have ended). An undo is written once and told to all workers, who open the scope at once.

import type { Redis } from 'ioredis'

import { isLive, type ActionKind, type LaneAction } from '@sluice/core/lane/action'
import { parseAction, parseUndo, withUndo, type Undo } from '@sluice/core/lane/action-log'
import type { ScopeKind } from '@sluice/core/lane/scope'
import { messageOf, SluiceError } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'

import type { Asker, Trail } from '../changes/trail'
import type { Log } from '../log'
import { redisFault } from '../redis/connection'

export interface ActionsOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly trail: Trail
  readonly log: Log
  readonly now?: () => number
}

/** What is absent is not asked for. */
export interface ActionQuery {
  readonly kind?: ActionKind | undefined
  readonly rule?: string | undefined
  readonly scope?: ScopeKind | undefined
  /** Of the scope: source, netblock, domain, stream, tenant or address. */
  readonly name?: string | undefined
  readonly provider?: string | undefined
}

const scanned = 1000

export class Actions {
  private readonly now: () => number

  constructor(private readonly options: ActionsOptions) {
    this.now = options.now ?? Date.now
  }

  /** The newest first. @throws SluiceError SLUICE_REDIS_AWAY */
  async list(query: ActionQuery, which: 'live' | 'all'): Promise<LaneAction[]> {
    const now = this.now()
    const all = await this.read()
    return all
      .filter((action) => (which === 'all' || isLive(action, now)) && matches(action, query))
      .toSorted((a, b) => b.since - a.since || (a.id < b.id ? -1 : 1))
  }

  /** @throws SluiceError SLUICE_HTTP_NOT_FOUND, SLUICE_REDIS_AWAY */
  async of(id: string): Promise<LaneAction> {
    const { redis, keys } = this.options
    const [text, undone] = await this.asking(() =>
      Promise.all([redis.hget(keys.actionLog, id), redis.hget(keys.actionsUndone, id)]),
    )
    if (text === null) throw new SluiceError('SLUICE_HTTP_NOT_FOUND', `no action has the id ${id}`)
    return withUndo(parseAction(text), undone === null ? undefined : parseUndo(undone))
  }

  /**
   * Opens the scope of an action at once, on all workers, with nothing held against it.
   * @throws SluiceError SLUICE_HTTP_NOT_FOUND, SLUICE_ACTION_OVER, SLUICE_REDIS_AWAY, SLUICE_JOURNAL
   */
  async undo(asker: Asker, id: string): Promise<LaneAction> {
    const { redis, keys, trail } = this.options
    const action = await this.of(id)
    const { scope, kind, rule, reason } = action
    if (kind === 'withheld') throw new SluiceError('SLUICE_ACTION_OVER', 'it was withheld: there is nothing to undo')
    const about = {
      action: 'undo',
      provider: scope.provider,
      source: scope.kind === 'lane' ? scope.name : '',
      details: { id, kind, rule, scope, reason },
    }
    return trail.make(asker, about, async () => {
      const undone: Undo = { at: this.now(), by: asker.author, reason: asker.reason }
      const first = await this.asking(() => redis.hsetnx(keys.actionsUndone, id, JSON.stringify(undone)))
      if (first === 0) throw new SluiceError('SLUICE_ACTION_OVER', 'it has been undone already')
      await this.asking(() => redis.publish(keys.undoChannel, id))
      return withUndo(action, undone)
    })
  }

  private async read(): Promise<LaneAction[]> {
    const { redis, keys, log } = this.options
    const undone = await this.asking(() => redis.hgetall(keys.actionsUndone))
    const found = new Map<string, LaneAction>()
    let cursor = '0'
    do {
      const [next, pairs] = await this.asking(() => redis.hscan(keys.actionLog, cursor, 'COUNT', scanned))
      for (let at = 0; at + 1 < pairs.length; at += 2) {
        const [id = '', text = ''] = [pairs[at], pairs[at + 1]]
        try {
          const undo = undone[id]
          found.set(id, withUndo(parseAction(text), undo === undefined ? undefined : parseUndo(undo)))
        } catch (error) {
          log.warn({ id, error: messageOf(error) }, 'an action in Redis cannot be read')
        }
      }
      cursor = next
    } while (cursor !== '0')
    return [...found.values()]
  }

  private async asking<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw redisFault(error, 'automatic actions')
    }
  }
}

const matches = ({ kind, rule, scope }: LaneAction, query: ActionQuery): boolean =>
  (query.kind ?? kind) === kind &&
  (query.rule ?? rule) === rule &&
  (query.scope ?? scope.kind) === scope.kind &&
  (query.name ?? scope.name) === scope.name &&
  (query.provider ?? scope.provider) === scope.provider
