// The shipped rule files, in the order they are read; later files of one layer come after earlier ones. Reading them is
// the caller's (core does no I/O): `loadBounceRules((file) => readFileSync(require.resolve('@sluice/core/data/' + file)))`.

import { compileRules, type RuleText } from './compile'
import type { RuleSet } from './ruleset'

/** Relative to core/data. */
export const shippedRuleFiles: readonly string[] = [
  'google',
  'yahoo',
  'microsoft',
  'apple',
  'isp-america',
  'isp-europe',
  'asia',
  'gateways',
  'traffic',
  'authentication',
  'blocklists',
  'sender',
  'content',
  'mailbox',
  'domain',
  'recipient',
  'transport',
  'codes',
  'weak',
  'basic',
].map((name) => `bounce/${name}.yaml`)

/**
 * @param read text of a shipped file, by its path relative to `core/data`
 * @param operator the operator's own rules, over the shipped ones
 * @throws ConfigError naming file, line and key
 */
export const loadBounceRules = (read: (file: string) => string, operator?: RuleText): RuleSet =>
  compileRules(
    shippedRuleFiles.map((file) => ({ file, text: read(file) })),
    operator,
  )
