// Finds what is wrong with rules before they meet a reply: patterns that are not allowed or cost too much, rules that
// cannot match, that never get their turn, or that contradict their own example. Run by the tests over the shipped
// rules and by `sluice check` over the operator's.

import { checkPattern } from './pattern/check'
import { samplesOf } from './pattern/samples'
import { parsePattern } from './pattern/syntax'
import { normaliseReply, type NormalReply, type Reply } from './reply'
import { readRuleFile, rulesOf, type BounceRule } from './rule'
import { compileRules, type RuleText } from './compile'
import { RuleSet } from './ruleset'

export interface RuleFinding {
  /** Full id, `<file>/<rule>`. */
  readonly rule: string
  readonly kind: 'pattern' | 'never' | 'shadowed' | 'example' | 'source'
  readonly says: string
}

/**
 * @param operator findings are also made about the operator's rules, which come first
 * @throws ConfigError where a file cannot be read as rules at all
 */
export const validateRules = (shipped: readonly RuleText[], operator?: RuleText): RuleFinding[] => {
  const texts = operator ? [operator, ...shipped] : shipped
  const rules = texts.flatMap(({ file, text }) => rulesOf(file, readRuleFile(file, text).value))
  const faults = rules.flatMap(patternFindings)
  if (faults.length > 0) return faults
  const all = compileRules(shipped, operator)
  return all.rules.flatMap(({ rule }) => [
    ...sourceFindings(rule),
    ...exampleFindings(rule, all),
    ...turnFindings(rule, all),
  ])
}

const patternFindings = (rule: BounceRule): RuleFinding[] =>
  [...(rule.any ?? []), ...(rule.all ?? []), ...(rule.unless ?? [])].flatMap((source) => {
    const { fault } = checkPattern(source)
    return fault === undefined ? [] : [{ rule: rule.fullId, kind: 'pattern' as const, says: fault }]
  })

const sourceFindings = (rule: BounceRule): RuleFinding[] =>
  rule.source || rule.layer === 'operator' ? [] : [{ rule: rule.fullId, kind: 'source', says: 'names no source' }]

const exampleFindings = (rule: BounceRule, all: RuleSet): RuleFinding[] => {
  const reply: Reply = {
    code: rule.given?.code ?? 0,
    text: rule.example,
    phase: rule.given?.phase,
    provider: rule.given?.provider,
  }
  const decided = all.match(normaliseReply(reply), reply.phase, reply.provider)
  if (decided?.rule.fullId === rule.fullId) return []
  const by = decided?.rule.fullId ?? 'no rule'
  return [{ rule: rule.fullId, kind: 'example', says: `its example is decided by ${by}: ${rule.example}` }]
}

/** Whether the rule gets its turn: for each pattern, texts that match it are tried alone and against all rules. */
const turnFindings = (rule: BounceRule, all: RuleSet): RuleFinding[] => {
  const alone = new RuleSet([rule])
  const others = (rule.all ?? []).map((source) => samplesOf(parsePattern(source))[0] ?? '')
  return (rule.any ?? []).flatMap((source): RuleFinding[] => {
    const texts = samplesOf(parsePattern(source)).map((sample) => [sample, ...others].join(' '))
    const decided = texts.map((text) => decide(rule, text, alone, all))
    if (decided.every((by) => by === undefined)) {
      return [{ rule: rule.fullId, kind: 'never', says: `cannot match: ${source}` }]
    }
    const reached = decided.filter((by) => by !== undefined)
    const [first] = reached
    if (first === rule || reached.some((by) => by.class === rule.class)) return []
    const by = [...new Set(reached.map(({ fullId }) => fullId))].join(', ')
    return [{ rule: rule.fullId, kind: 'shadowed', says: `always decided by ${by}: ${source}` }]
  })
}

/** The rule that decides this text; undefined where the rule itself does not match it. */
const decide = (rule: BounceRule, text: string, alone: RuleSet, all: RuleSet): BounceRule | undefined => {
  const reply = replyFor(rule, text)
  const phase = rule.phases?.[0]
  const provider = rule.only?.[0]
  if (!alone.match(reply, phase, provider)) return undefined
  return all.match(reply, phase, provider)?.rule
}

/** A reply that meets the rule's conditions on codes. */
const replyFor = (rule: BounceRule, text: string): NormalReply => {
  const code = Number((rule.codes?.[0] ?? '550').replaceAll('x', '0'))
  const enhanced = rule.enhanced?.[0]?.replace(/^x/, String(code)[0] ?? '5').replace(/x$/, '1')
  return normaliseReply({ code, enhanced, text })
}
