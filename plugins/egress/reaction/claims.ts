// How many scopes each rule has closed within the hour, over all workers: asked before a rule closes another one, and
// kept here too, for while Redis is away each worker goes by what it knows.

import { mayClose, type CloseGuard } from '@sluice/core/lane/action'
import type { Effect } from '@sluice/core/lane/react'
import { scopeKey } from '@sluice/core/lane/scope'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { hour } from '@sluice/core/shaping/rate'

import type { RedisLink } from '../redis/link'

/** A closing that a rule is about to bring about. */
export type Claim = Pick<Effect, 'rule' | 'scope'>

export class Claims {
  /** Times are those of this worker. */
  guard: CloseGuard = {}

  constructor(
    private readonly link: RedisLink,
    private readonly keys: RedisKeys,
  ) {}

  /** Whether the rule has closed this scope within the hour already: nobody needs to be asked then. */
  has({ rule, scope }: Claim, now: number): boolean {
    const key = scopeKey(scope)
    return (this.guard[rule] ?? []).some(([at, one]) => one === key && at > now - hour)
  }

  /** Asks for all workers; afterwards `guard` says what may be closed. Never rejects. */
  async ask(claims: readonly Claim[], now: number, most: number): Promise<void> {
    await Promise.all(claims.map((claim) => this.askOne(claim, now, most)))
  }

  private async askOne(claim: Claim, now: number, most: number): Promise<void> {
    const { rule, scope } = claim
    let closed: string[]
    try {
      closed = await this.link.run((redis) =>
        redis.claimClosing(this.keys.actionGuard(rule), scopeKey(scope), most, hour),
      )
    } catch {
      return // away: the link has said so, and what is known here decides
    }
    if (closed.length === 0) {
      this.guard = mayClose(this.guard, claim, now, most).guard
      return
    }
    const hits: [number, string][] = []
    for (let index = 0; index < closed.length; index += 2) hits.push([Number(closed[index + 1]), closed[index] ?? ''])
    this.guard = { ...this.guard, [rule]: hits }
  }
}
