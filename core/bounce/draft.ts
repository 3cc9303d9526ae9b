// An operator's rule made from a group of unknown replies: its words without what differs from message to message, its
// code, and as example a reply as it came.

import { stringify } from 'yaml'

import { normaliseReply } from './reply'
import { readRuleFile, type RuleSpec } from './rule'
import { signatureOf } from './signature'
import { asReply, type ReplyGroup } from './unknown'
import type { Blame, BounceAction, BounceClass } from './verdict'

export interface DraftChoice {
  readonly class: BounceClass
  readonly blame?: Blame | undefined
  readonly action?: BounceAction | undefined
  /** The words mean this only when this provider says them. */
  readonly provider?: string | undefined
}

const placeholder = /#|\(url\)|\(host\)/
const special = /[\\^$.*+?()[\]{}|/]/g
const shortest = 6
const mostPieces = 4

/** @returns undefined where the replies have no words to go by */
export const draftRule = (group: ReplyGroup, choice: DraftChoice): RuleSpec | undefined => {
  const [sample] = group.samples
  if (!sample) return undefined
  const reply = asReply(sample)
  const { text } = normaliseReply(reply)
  // The signature of the words alone: without the codes in front of it.
  const words = signatureOf({ code: 0, text }).replace(/^0 /, '')
  const pieces = words
    .split(placeholder)
    .map((piece) => piece.replace(/^[^a-z@]{1,300}|[^a-z@]{1,300}$/gi, ''))
    .filter((piece) => piece.length >= shortest && text.includes(piece))
    .sort((a, b) => b.length - a.length)
    .slice(0, mostPieces)
  if (pieces.length === 0) return undefined
  const { provider } = choice
  const given = {
    ...(provider !== undefined && { provider }),
    ...(sample.phase !== undefined && { phase: sample.phase }),
    ...(sample.code > 0 && { code: sample.code }),
  }
  return {
    id: `${choice.class.replaceAll('_', '-')}-${group.id}`,
    class: choice.class,
    ...(choice.blame && { blame: choice.blame }),
    ...(choice.action && { action: choice.action }),
    all: pieces.map((piece) => piece.replace(special, '\\$&')),
    ...(sample.code > 0 && { codes: [String(sample.code)] }),
    ...(provider !== undefined && { only: [provider] }),
    example: sample.reply.slice(0, 1000),
    ...(Object.keys(given).length > 0 && { given }),
    note: `from ${group.count} replies; signature ${group.signature}`.slice(0, 500),
  }
}

/** The rule as an item of the list `rules`. */
export const sayRule = (rule: RuleSpec): string => stringify([rule], { lineWidth: 0 })

/**
 * The operator's file with the rule added at its end; comments stay.
 * @throws ConfigError where the result is no good file
 */
export const withRule = (text: string, rule: RuleSpec): string => {
  const item = sayRule(rule).replace(/^/gm, '  ').trimEnd()
  const trimmed = text.trimEnd()
  const hasRules = /^rules:[ \t]*(?:#.*)?$/m.test(trimmed)
  const result = hasRules ? `${trimmed}\n${item}\n` : `${trimmed ? `${trimmed}\n` : ''}rules:\n${item}\n`
  readRuleFile('bounce.yaml', result)
  return result
}
