// Leave one cluster out: what would the replies of a cluster have been called, had nobody seen them? The rules are
// written by hand, so nothing is trained again; instead everything is taken away that only this cluster's replies
// speak for. Two depths: whole rules, and single patterns. Both are lower bounds, since much of what is taken away is
// documented by the provider and would stand there without the set.

import { classify } from '@sluice/core/bounce/classify'
import { coarseBlame } from '@sluice/core/bounce/meaning'
import { PatternCheck } from '@sluice/core/bounce/pattern/check'
import { normaliseReply, type NormalReply } from '@sluice/core/bounce/reply'
import type { BounceRule } from '@sluice/core/bounce/rule'
import { RuleSet } from '@sluice/core/bounce/ruleset'

import type { ReplyRow } from './corpus'
import { replyOf, type PredictedReply } from './predict'

export type Depth = 'rule' | 'pattern'

interface Held {
  readonly row: ReplyRow
  readonly cluster: string
  readonly reply: NormalReply
}

/** Clusters whose replies a rule or a pattern matches; undefined once there are two. */
type Support = string | undefined

const loneCluster = (rows: readonly Held[], matches: (held: Held) => boolean): Support => {
  let lone: Support
  for (const held of rows) {
    if (lone === held.cluster || !matches(held)) continue
    if (lone !== undefined) return undefined
    lone = held.cluster
  }
  return lone
}

/** The rule without what only `cluster` speaks for; undefined where nothing is left of it. */
type Reduce = (rule: BounceRule, cluster: string) => BounceRule | undefined

const byRule = (rows: readonly Held[], rules: readonly BounceRule[], check: PatternCheck): Reduce => {
  const lone = new Map(
    rules.map((rule) => {
      const alone = new RuleSet([rule], check)
      return [
        rule.fullId,
        loneCluster(rows, ({ row, reply }) => !!alone.match(reply, undefined, row.provider ?? undefined)),
      ]
    }),
  )
  return (rule, cluster) => (lone.get(rule.fullId) === cluster ? undefined : rule)
}

const byPattern = (rows: readonly Held[], rules: readonly BounceRule[], check: PatternCheck): Reduce => {
  const whole = byRule(rows, rules, check)
  const sources = new Set(rules.flatMap(({ any }) => any ?? []))
  const lone = new Map(
    [...sources].map((source) => {
      const regex = new RegExp(source)
      return [source, loneCluster(rows, ({ reply }) => regex.test(reply.text))]
    }),
  )
  return (rule, cluster) => {
    const kept = whole(rule, cluster)
    if (!kept?.any) return kept
    const any = kept.any.filter((source) => lone.get(source) !== cluster)
    if (any.length === kept.any.length) return kept
    return any.length > 0 ? { ...kept, any } : undefined
  }
}

/** Predictions of every labelled reply by rules that have not seen its cluster. */
export const leaveClusterOut = (
  rules: RuleSet,
  rows: readonly ReplyRow[],
  depth: Depth,
): Map<string, PredictedReply> => {
  const check = new PatternCheck()
  const all = rules.rules.map(({ rule }) => rule)
  const held = rows.map((row) => ({ row, cluster: row.cluster || row.id, reply: normaliseReply(replyOf(row)) }))
  const reduce = (depth === 'rule' ? byRule : byPattern)(held, all, check)
  const predicted = new Map<string, PredictedReply>()
  for (const cluster of new Set(held.map((each) => each.cluster))) {
    const left = all.flatMap((rule) => reduce(rule, cluster) ?? [])
    const unseen =
      left.length === all.length && left.every((rule, i) => rule === all[i]) ? rules : new RuleSet(left, check)
    for (const { row } of held.filter((each) => each.cluster === cluster)) {
      const verdict = classify(unseen, replyOf(row))
      const { class: label, hard } = verdict
      predicted.set(row.id, { id: row.id, label, hard, blame: coarseBlame(label), verdict })
    }
  }
  return predicted
}
