// The bounce rules in force: the operator's bounce.yaml over the shipped ones.

import { readFileSync } from 'node:fs'

import type { RuleSet } from '@sluice/core/bounce/classify'
import { compileRules, type RuleText } from '@sluice/core/bounce/compile'
import { shippedRuleFiles } from '@sluice/core/bounce/shipped'

export const operatorFile = 'bounce.yaml'

export const shippedRules = (): RuleText[] =>
  shippedRuleFiles.map((file) => ({
    file,
    text: readFileSync(require.resolve(`@sluice/core/data/${file}`), 'utf8'),
  }))

/**
 * @param operator text of the operator's file; undefined = there is none
 * @throws ConfigError naming file, line and key
 */
export const compileWith = (operator: string | undefined): RuleSet =>
  compileRules(shippedRules(), operator === undefined ? undefined : { file: operatorFile, text: operator })

let last: { readonly operator: string | undefined; readonly rules: RuleSet } | undefined

/** Compiling takes a while: rules that have not changed are not compiled again. */
export const rulesFor = (operator: string | undefined): RuleSet => {
  if (!last || last.operator !== operator) last = { operator, rules: compileWith(operator) }
  return last.rules
}
