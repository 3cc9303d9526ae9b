// From rule files to a rule set: reads, checks every pattern, lays the operator's file over the shipped ones. Either all
// of it is good or an error lists everything that is wrong, with file, line and key.

import { ConfigError, type Complaint } from '../config/document'
import { PatternCheck } from './pattern/check'
import { layers, readRuleFile, rulesOf, type BounceRule } from './rule'
import { RuleSet } from './ruleset'

export interface RuleText {
  readonly file: string
  readonly text: string
}

const complaintsOf = (rule: BounceRule, check: PatternCheck): { key: string; says: string }[] =>
  (['any', 'all', 'unless'] as const).flatMap((key) =>
    (rule[key] ?? []).flatMap((source) => {
      const { fault } = check.of(source)
      return fault === undefined ? [] : [{ key, says: fault }]
    }),
  )

/**
 * Compiles shipped files and the operator's. An operator's rule comes before all shipped ones; `disable` in the
 * operator's file takes shipped rules out by their full id.
 * @throws ConfigError naming file, line and key
 */
export const compileRules = (shipped: readonly RuleText[], operator?: RuleText): RuleSet => {
  const complaints: Complaint[] = []
  const check = new PatternCheck()
  const load = ({ file, text }: RuleText) => {
    const { value, complain } = readRuleFile(file, text)
    const rules = rulesOf(file, value)
    rules.forEach((rule, index) => {
      for (const { key, says } of complaintsOf(rule, check)) complaints.push(complain(['rules', index, key], says))
    })
    return { value, complain, rules }
  }
  const own = operator ? load(operator) : undefined
  const disabled = new Set(own?.value.disable)
  const all = [...(own?.rules ?? []), ...shipped.flatMap((text) => load(text).rules)]
  for (const id of disabled) {
    if (own && !all.some((rule) => rule.fullId === id)) complaints.push(own.complain(['disable'], `no rule ${id}`))
  }
  const ids = new Set<string>()
  for (const rule of all) {
    if (ids.has(rule.fullId)) complaints.push({ file: rule.file, line: 1, key: rule.id, message: 'id is used twice' })
    ids.add(rule.fullId)
  }
  if (complaints.length > 0) throw new ConfigError('SLUICE_CONFIG_INVALID', complaints)
  const order = (rule: BounceRule): number => layers.indexOf(rule.layer)
  return new RuleSet(
    all.filter((rule) => !disabled.has(rule.fullId)).sort((a, b) => order(a) - order(b)),
    check,
  )
}
