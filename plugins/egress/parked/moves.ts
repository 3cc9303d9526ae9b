// Mails that an operator has moved: each leaves by the pool it was moved to, or by one source of it, instead of the
// pools of its stream. It stays moved as long as this worker has it in memory, over retries too; after a restart it is
// its stream's again, because its queue file is untouched. A target that the configuration no longer knows is
// forgotten. Moving opens nothing: a suspended source, a full lane, a block hold the mail at its new place.

import type { MoveTarget } from '@sluice/core/parked/exchange'
import type { HMail } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../candidate'
import { nothingClosed, type Closed, type Closure } from '../closure'
import type { Policy } from '../policy'
import type { Move } from './move'

/** Why a mail is not moved. */
export type MoveRefusal = 'unknown_pool' | 'unknown_source' | 'not_in_pool' | 'unreachable'

export class Moves implements Closure {
  readonly name = 'moved'
  private readonly moves = new WeakMap<HMail, Move>()
  /** Every other source, by the one moved to. */
  private others = new Map<string, ReadonlySet<string>>()
  private policy: Policy | undefined

  usePolicy(policy: Policy | undefined): void {
    this.policy = policy
    this.others = new Map()
  }

  /** The move in force for this mail. */
  of(hmail: HMail): Move | undefined {
    const move = this.moves.get(hmail)
    return move && this.policy && faultOf(this.policy, move) === undefined ? move : undefined
  }

  /** Moves a mail whose destination and stream are known. @returns why not, where it is left as it was */
  move({ hmail, stream, destination }: Candidate, to: MoveTarget): MoveRefusal | undefined {
    const { policy } = this
    if (!policy || !destination) return 'unreachable'
    const target = targetOf(policy, to, policy.poolsOf(stream))
    if (typeof target === 'string') return target
    const { pool, source } = target
    const unable = policy.unable(destination.families)
    const reached = source === undefined ? policy.canReach([pool], destination.families) : !unable.has(source)
    if (!reached) return 'unreachable'
    this.moves.set(hmail, target)
    return undefined
  }

  closed({ hmail }: Candidate): Closed {
    const { source } = this.of(hmail) ?? {}
    if (source === undefined) return nothingClosed
    let others = this.others.get(source)
    if (!others) {
      others = new Set([...(this.policy?.sources ?? [])].filter((one) => one !== source))
      this.others.set(source, others)
    }
    return others
  }

  opensAt(): number {
    return Infinity
  }
}

/** The pool to choose from: the one named, else the first that has the source, the stream's own before others. */
const targetOf = (policy: Policy, { pool, source }: MoveTarget, own: readonly string[]): Move | MoveRefusal => {
  const named = pool ?? [...own, ...policy.poolNames].find((one) => policy.hasSource(one, source ?? ''))
  if (named === undefined) return policy.source(source ?? '') ? 'not_in_pool' : 'unknown_source'
  const move: Move = source === undefined ? { pool: named } : { pool: named, source }
  return faultOf(policy, move) ?? move
}

const faultOf = (policy: Policy, { pool, source }: Move): MoveRefusal | undefined => {
  if (!policy.poolNames.includes(pool)) return 'unknown_pool'
  if (source === undefined || policy.hasSource(pool, source)) return undefined
  return policy.source(source) ? 'not_in_pool' : 'unknown_source'
}
