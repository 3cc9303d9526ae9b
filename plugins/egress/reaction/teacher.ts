// What workers tell each other of lanes: states and actions, written to Redis. Refusals at once, successes and
// confirmations at most once a second for each scope.

import { actionKeptMs, mostActions, parseAction, sayAction } from '@sluice/core/lane/action-log'
import { joinActions, type LaneAction } from '@sluice/core/lane/action'
import { joinLanes, type LaneState } from '@sluice/core/lane/lane'
import { parseLaneState } from '@sluice/core/lane/state'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { day } from '@sluice/core/shaping/rate'

import type { LinkLog, RedisLink } from '../redis/link'
import { SharedMap } from './shared-map'

export interface TeacherParts {
  readonly link: RedisLink
  readonly log: LinkLog
  readonly keys: RedisKeys
  readonly worker: string
  /** ms since 1970 */
  readonly now: () => number
}

/** What is learnt of a scope is forgotten so long after the last change, or after the end of what closes it. */
const stateKeptMs = 7 * day
const mostStates = 20_000

export class Teacher {
  readonly states: SharedMap<LaneState>
  readonly actions: SharedMap<LaneAction>

  constructor({ link, log, keys, worker, now }: TeacherParts) {
    const shared = { link, log, worker }
    this.states = new SharedMap<LaneState>({
      ...shared,
      keys: {
        entries: keys.laneStates,
        ends: keys.laneStateEnds,
        sequence: keys.laneStateSequence,
        channel: keys.laneStateChannel,
      },
      parse: parseLaneState,
      say: (state) => JSON.stringify(state),
      join: joinLanes,
      keptMs: ({ gate }) => Math.max(0, (gate.closings[0]?.until ?? 0) - now()) + stateKeptMs,
      most: mostStates,
    })
    this.actions = new SharedMap<LaneAction>({
      ...shared,
      keys: {
        entries: keys.actionLog,
        ends: keys.actionEnds,
        sequence: keys.actionSequence,
        channel: keys.actionChannel,
      },
      parse: parseAction,
      say: sayAction,
      join: joinActions,
      keptMs: ({ until }) => Math.max(0, until - now()) + actionKeptMs,
      most: mostActions,
    })
  }

  start(): void {
    this.states.start()
    this.actions.start()
  }

  stop(): void {
    this.states.stop()
    this.actions.stop()
  }

  async ready(ms: number): Promise<void> {
    await Promise.all([this.states.ready(ms), this.actions.ready(ms)])
  }

  state(scope: string, state: LaneState, urgent: boolean): void {
    this.states.put(scope, state, urgent)
  }

  action(action: LaneAction, urgent: boolean): void {
    this.actions.put(action.id, action, urgent)
  }
}
