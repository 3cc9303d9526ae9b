// The verdict on a refusal: normalise, ask the rules in layers (operator, provider, phrase, enhanced code, weak
// phrase, basic code), read a stated time to wait. Pure; never throws, whatever the text.

import { normaliseReply, type Reply } from './reply'
import type { RuleSet } from './ruleset'
import type { Verdict } from './verdict'
import { waitOf } from './wait'

export type { Reply } from './reply'
export { compileRules } from './compile'
export type { RuleSet } from './ruleset'
export { loadBounceRules, shippedRuleFiles } from './shipped'

const verdict = (of: Omit<Verdict, 'hard'>): Verdict => Object.freeze({ ...of, hard: false })

const accepted = verdict({ class: 'delivered', blame: 'none', permanent: false, action: 'none', rule: 'code/2xx' })
const unknownTemporary = verdict({
  class: 'other',
  blame: 'unknown',
  permanent: false,
  action: 'retry_later',
  rule: 'none',
})
const unknownPermanent = verdict({ class: 'other', blame: 'unknown', permanent: true, action: 'stop', rule: 'none' })

/**
 * What `reply` means. The id of the deciding rule is `<file>/<rule>`; `none` where no rule knew it.
 */
export const classify = (rules: RuleSet, reply: Reply): Verdict => {
  const normal = normaliseReply(reply)
  if (normal.code >= 200 && normal.code < 300) return accepted
  const found = rules.match(normal, reply.phase, reply.provider)
  if (!found) return normal.permanent ? unknownPermanent : unknownTemporary
  const base = found.verdicts[normal.permanent ? 1 : 0]
  if (!rules.mayStateWait) return base
  const wait_s = waitOf(normal.text)
  return wait_s === undefined ? base : { ...base, wait_s }
}
