// Replies that nobody knows by their words, grouped by signature: what an operator may want to write a rule for. A
// reply that a rule has come to know since is not in it any more.

import { createHash } from 'node:crypto'

import type { Phase } from '../outcome/record'
import { classify } from './classify'
import type { Layer } from './rule'
import type { RuleSet } from './ruleset'
import { signatureOf } from './signature'
import type { BounceClass } from './verdict'

/** Replies that were said in the same way, as stored. */
export interface SaidReply {
  readonly code: number
  readonly enhanced: string
  readonly reply: string
  readonly phase: Phase | undefined
  readonly provider: string
  readonly permanent: boolean
  readonly count: number
  /** ms since 1970 */
  readonly first_at: number
  readonly last_at: number
}

export interface ReplyGroup {
  /** Short name of the signature, for commands and paths. */
  readonly id: string
  readonly signature: string
  readonly class: BounceClass
  readonly rule: string
  readonly layer: Layer | 'none'
  readonly count: number
  readonly first_at: number
  readonly last_at: number
  /** The most frequent first. */
  readonly providers: readonly string[]
  /** Replies as they came, the most frequent first. */
  readonly samples: readonly SaidReply[]
}

/** Layers that go by codes or by vague words; what they decide is as good as unknown. */
const lastLayers: ReadonlySet<string> = new Set(['none', 'enhanced', 'weak', 'code'])
const mostSamples = 3
const mostProviders = 5
const idLength = 10

export const isUnknown = (group: Pick<ReplyGroup, 'class' | 'layer'>): boolean =>
  group.class === 'other' || lastLayers.has(group.layer)

/** Full ids of the rules whose verdicts are as good as none. */
export const lastRules = (rules: RuleSet): string[] => [
  'none',
  ...rules.rules.flatMap(({ rule }) => (lastLayers.has(rule.layer) ? [rule.fullId] : [])),
]

/** Groups by signature, judged by `rules`, the most frequent first. */
export const groupReplies = (rules: RuleSet, replies: readonly SaidReply[]): ReplyGroup[] => {
  const groups = new Map<string, SaidReply[]>()
  for (const one of replies) {
    const signature = signatureOf(asReply(one))
    const known = groups.get(signature)
    if (known) known.push(one)
    else groups.set(signature, [one])
  }
  return [...groups].map(([signature, members]) => groupOf(rules, signature, members)).sort((a, b) => b.count - a.count)
}

const groupOf = (rules: RuleSet, signature: string, members: readonly SaidReply[]): ReplyGroup => {
  const samples = members.toSorted((a, b) => b.count - a.count)
  const first = samples[0] as SaidReply
  const verdict = classify(rules, asReply(first))
  const providers = new Map<string, number>()
  for (const { provider, count } of members) providers.set(provider, (providers.get(provider) ?? 0) + count)
  return {
    id: signatureId(signature),
    signature,
    class: verdict.class,
    rule: verdict.rule,
    layer: rules.layerOf(verdict.rule),
    count: members.reduce((sum, { count }) => sum + count, 0),
    first_at: Math.min(...members.map(({ first_at }) => first_at)),
    last_at: Math.max(...members.map(({ last_at }) => last_at)),
    providers: [...providers]
      .sort(([, a], [, b]) => b - a)
      .slice(0, mostProviders)
      .map(([name]) => name),
    samples: samples.slice(0, mostSamples),
  }
}

export const asReply = ({ code, enhanced, reply, phase, provider, permanent }: SaidReply) => ({
  code,
  enhanced: enhanced || undefined,
  text: reply.split('\n'),
  phase,
  provider: provider || undefined,
  permanent,
})

export const signatureId = (signature: string): string =>
  createHash('sha256').update(signature).digest('hex').slice(0, idLength)
