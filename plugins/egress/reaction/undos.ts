// An operator's undo of an action: its scope is open at once, with nothing held against it. The undo stands in Redis,
// so a worker that starts later, or was cut off, does it too; doing it twice changes nothing.

import type { LaneAction } from '@sluice/core/lane/action'
import { parseAction, parseUndo, type Undo } from '@sluice/core/lane/action-log'
import { openLane, stepLane, type LaneLimits, type LaneState } from '@sluice/core/lane/lane'
import { limitsOfScope } from '@sluice/core/lane/respond'
import { scopeKey, type Scope } from '@sluice/core/lane/scope'
import { messageOf } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'

import type { LinkLog, RedisLink } from '../redis/link'

export interface UndoParts {
  readonly link: RedisLink
  readonly log: LinkLog
  readonly keys: RedisKeys
  readonly actionOf: (id: string) => LaneAction | undefined
  readonly markUndone: (id: string) => void
  readonly stateOf: (scope: string) => LaneState | undefined
  readonly setState: (scope: string, state: LaneState) => void
  readonly limitsOf: (scope: Scope) => LaneLimits
}

const lookMs = 2000

export class Undos {
  private readonly done = new Set<string>()
  private timer: NodeJS.Timeout | undefined
  /** How many there were when somebody looked last. */
  private count = 0

  constructor(private readonly parts: UndoParts) {
    parts.link.subscribe(parts.keys.undoChannel, (id) => void this.undo(id))
  }

  /** Looks now and then whether a notice was lost. */
  start(): void {
    this.timer ??= setInterval(() => void this.look(), lookMs).unref()
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private async look(): Promise<void> {
    const { link, keys } = this.parts
    try {
      const count = await link.run((redis) => redis.hlen(keys.actionsUndone))
      if (count !== this.count) await this.catchUp()
      this.count = count
    } catch {
      // away: the link has said so, and its return comes back here
    }
  }

  /** Undos that were made while this worker was not there; what has been closed anew since then stays closed. */
  async catchUp(): Promise<void> {
    const { link, keys } = this.parts
    try {
      for (const id of await link.run((redis) => redis.hkeys(keys.actionsUndone))) {
        // What the log has forgotten has ended long ago.
        if (!this.done.has(id) && this.parts.actionOf(id)) await this.undo(id)
      }
    } catch {
      // away: the link has said so, and its return comes back here
    }
  }

  private async undo(id: string): Promise<void> {
    const { link, keys, log } = this.parts
    try {
      const [undone, logged] = await link.run((redis) =>
        Promise.all([redis.hget(keys.actionsUndone, id), redis.hget(keys.actionLog, id)]),
      )
      if (undone === null) return
      const action = this.parts.actionOf(id) ?? (logged === null ? undefined : parseAction(logged))
      this.done.add(id)
      this.parts.markUndone(id)
      if (action) this.clear(action, parseUndo(undone))
    } catch (thrown) {
      log.error(`undo of ${id}: ${messageOf(thrown)}`)
    }
  }

  private clear({ id, scope }: LaneAction, { at, by, reason }: Undo): void {
    const { stateOf, setState, limitsOf, log } = this.parts
    const key = scopeKey(scope)
    const state = stateOf(key) ?? openLane
    // Another worker may have been quicker, and have told of it.
    if (state.gate.cleared.at < at) {
      setState(key, stepLane(state, { kind: 'cleared', at }, limitsOfScope(scope.kind, limitsOf(scope))))
    }
    log.notice(`${scope.kind} ${scope.name} at ${scope.provider} is open again: ${id} was undone by ${by} (${reason})`)
  }
}
