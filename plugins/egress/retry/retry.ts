// When a refused mail is tried again, and by which source: core decides for each recipient from the verdict, the limits
// of the lane and what the stream allows; this keeps what the mail must remember until then.
//
// A mail keeps to the source that was greylisted, and where that source is closed when its time comes it waits for it
// as long again as it was told to wait: starting afresh with another source would take that long. A mail that moves
// keeps from the sources that were blocked for ten minutes, or until it is deferred for another reason.

import type { Verdict } from '@sluice/core/bounce/verdict'
import { decideForAll } from '@sluice/core/retry/part'
import { decideRetry, type RetryDecision } from '@sluice/core/retry/retry'
import { sayDuration } from '@sluice/core/shaping/duration'
import type { Host, HMail, Refusal, RetryPlan } from 'haraka-plugin-sluice-host'

import type { Policy } from '../policy'
import type { Bonds } from './bonds'
import { timeIsOver } from './time-is-over'

export interface RetryParts {
  readonly verdictOf: Host['verdictOf']
  readonly bonds: Bonds
  readonly policy: () => Policy | undefined
  /** A source that is not in `except` and could take the mail now. */
  readonly otherWay: (hmail: HMail, except: ReadonlySet<string>) => string | undefined
  /** ms since 1970 */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly dice: () => number
}

/** What was refused, and what it means. */
interface Judged {
  readonly refusal: Refusal
  /** Of its recipients, in their order. */
  readonly verdicts: readonly Verdict[]
  readonly policy: Policy
  /** ms since 1970 */
  readonly now: number
}

const avoidMs = 600_000

export class Retry {
  constructor(private readonly parts: RetryParts) {}

  /** undefined = Haraka's own way: Sluice does not steer, or the recipients are refused for good. */
  plan(refusal: Refusal): RetryPlan | undefined {
    const policy = this.parts.policy()
    if (!policy) return undefined
    const { hmail, attempt, kind, recipients } = refusal
    const now = this.parts.now()
    const over = kind === 'bounced'
    const verdicts = recipients.map(({ evidence }): Verdict => {
      const verdict = this.parts.verdictOf(attempt, evidence, over)
      // A 5xx at the door is about the connection: host defers the mail, so it has its schedule like any other.
      return verdict.permanent && !over ? { ...verdict, permanent: false } : verdict
    })
    const blocked = this.blockedSources({ refusal, verdicts, policy, now })
    const decision = this.decide({ refusal, verdicts, policy, now }, blocked)
    if (over && decision.kind !== 'move') return undefined
    switch (decision.kind) {
      case 'move':
        this.parts.bonds.keepFrom(hmail, blocked, now + avoidMs)
        return { kind: 'now' }
      case 'retry':
        this.bind(hmail, decision, policy, now)
        return { kind: 'retry', at: decision.at }
      case 'expire':
        return { kind: 'expire', says: `not delivered within ${sayDuration(now - hmail.todo.queue_time)}` }
      case 'fail':
        return undefined
    }
  }

  private decide({ refusal, verdicts, policy, now }: Judged, blocked: ReadonlySet<string>): RetryDecision {
    const { hmail, attempt } = refusal
    if (attempt.noRoute === timeIsOver) return { kind: 'expire' }
    const { source = '', provider = hmail.todo.domain, site = provider } = attempt.route ?? {}
    const { retry: limits } = policy.laneLimits(source, policy.laneProvider(source, provider), site)
    const { max_age, move_on_block = false } = policy.streamShaping(policy.streamOf(hmail)) ?? {}
    const other = move_on_block && attempt.route ? this.parts.otherWay(hmail, blocked) : undefined
    const question = {
      attempt: attempt.number,
      queued: hmail.todo.queue_time,
      now,
      dice: this.parts.dice(),
      limits,
      max_age,
      route: { source, others: other === undefined ? [] : [other], move_on_block },
    }
    return decideForAll(verdicts.map((verdict) => decideRetry({ verdict, ...question })))
  }

  /** The source of the attempt, its neighbours where the netblock is to blame, and those that were blocked before. */
  private blockedSources({ refusal, verdicts, policy, now }: Judged): ReadonlySet<string> {
    const { hmail, attempt } = refusal
    const { bonds } = this.parts
    const source = attempt.route?.source
    const before = bonds.blockedFor(hmail, now) ?? bonds.blockedFor(attempt.hmail, now) ?? []
    if (source === undefined) return new Set(before)
    const neighbours = verdicts.some(({ blame }) => blame === 'netblock') ? policy.neighboursOf(source) : []
    return new Set([...before, source, ...neighbours])
  }

  private bind(hmail: HMail, { at, only }: RetryDecision & { kind: 'retry' }, policy: Policy, now: number): void {
    const { bonds } = this.parts
    if (only === undefined || !policy.sources.has(only)) bonds.release(hmail)
    else bonds.keepTo(hmail, only, policy.othersThan(only), at + (at - now))
  }
}
