// Reactions of one worker, put together: what receivers say changes the lanes (reactor), the lanes' states and the
// actions are shared with the other workers (teacher), what they mean is asked by admission (`rulings`) and by the
// choice of a source (`closure`), and an operator can undo each action.

import { scopeKey, type Scope } from '@sluice/core/lane/scope'
import { anyProvider } from '@sluice/core/routing/table'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { builtIn, type CompleteLimits } from '@sluice/core/shaping/limits'
import type { Host } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../candidate'
import type { LaneLoad, Rulings } from '../lane/ruling'
import type { Policy } from '../policy'
import type { LinkLog, RedisLink } from '../redis/link'
import { Board } from './board'
import { Claims } from './claims'
import { Holds } from './holds'
import { Reactor } from './reactor'
import { Senders } from './senders'
import { Teacher } from './teacher'
import { Undos } from './undos'

/** Mail that waits, and has to look for its way anew when a gate closes or opens. */
export interface WaitingMail {
  sourceClosed(source: string, provider?: string): void
  reconsider(leaves: (candidate: Candidate) => boolean): void
  tryRooms(): void
}

export interface ReactionParts {
  readonly link: RedisLink
  readonly log: LinkLog
  readonly keys: RedisKeys
  readonly worker: string
  readonly host: Host
  readonly policy: () => Policy | undefined
  readonly loadOf: (lane: string) => LaneLoad
  readonly waiting: () => WaitingMail
  /** ms since 1970 */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly dice: () => number
}

/** Undos of before are looked for when the log has been read, or after so long; ms. */
const patienceMs = 5000

export class Reaction {
  private readonly teacher: Teacher
  private readonly board: Board
  private readonly holds: Holds
  private readonly undos: Undos

  constructor(private readonly parts: ReactionParts) {
    const { link, keys, host, policy, now } = parts
    const limitsOf = (source: string, provider: string): CompleteLimits =>
      policy()?.laneLimits(source, provider, provider) ?? builtIn
    this.teacher = new Teacher(parts)
    const { states, actions } = this.teacher
    this.board = new Board({ states, actions, limitsOf, now })
    this.board.onGate({ closed: (scope) => this.closed(scope), opened: () => parts.waiting().tryRooms() })
    const senders = new Senders(policy, () => host.configuration.current)
    this.holds = new Holds({ board: this.board, senders, policy })
    this.undos = new Undos({
      ...parts,
      actionOf: (id) => actions.get(id),
      markUndone: (id) => this.board.markUndone(id),
      stateOf: (scope) => states.get(scope),
      setState: (scope, state) => this.teacher.state(scope, state, true),
      limitsOf: ({ kind, name, provider }) => limitsOf(kind === 'lane' ? name : '', provider),
    })
    const reactor = new Reactor({
      ...parts,
      board: this.board,
      claims: new Claims(link, keys),
      teacher: this.teacher,
      senders,
      verdictOf: (attempt, evidence, over) => host.verdictOf(attempt, evidence, over),
      limitsOf,
    })
    host.onTried((attempt, evidence) => reactor.tried(attempt, evidence))
    host.onSettled((settlement) => {
      reactor.settled(settlement)
      if (this.holds.settled(settlement.attempt.hmail)) parts.waiting().tryRooms()
    })
    link.onReturn(() => void this.teacher.ready(patienceMs).then(() => this.undos.catchUp()))
  }

  get rulings(): Rulings {
    return this.board
  }

  get closure(): Holds {
    return this.holds
  }

  start(): void {
    this.teacher.start()
    this.undos.start()
  }

  stop(): void {
    this.teacher.stop()
    this.undos.stop()
  }

  /** Waits, at most `ms`, until what the other workers know has been read: a closed lane must not be used at first. */
  ready(ms: number): Promise<void> {
    return this.teacher.ready(ms)
  }

  usePolicy(policy: Policy | undefined): void {
    this.board.useSources({
      sources: policy?.sources ?? new Set(),
      addressesOf: (source) => policy?.addressesOf(source) ?? [],
    })
  }

  /** Mail that waits for a scope that has been closed chooses anew. */
  private closed(scope: Scope): void {
    const waiting = this.parts.waiting()
    const provider = scope.provider === anyProvider ? undefined : scope.provider
    if (scope.kind === 'lane') waiting.sourceClosed(scope.name, provider)
    else if (scope.kind === 'netblock') {
      for (const source of this.board.sourcesIn(scope.name)) waiting.sourceClosed(source, provider)
    } else {
      const key = scopeKey(scope)
      const now = this.parts.now()
      waiting.reconsider(
        (candidate) =>
          (provider === undefined || candidate.destination?.provider === provider) &&
          this.holds.heldBy(candidate, now) === key,
      )
    }
  }
}
