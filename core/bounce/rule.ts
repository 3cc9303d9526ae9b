// A bounce rule as it stands in YAML, and the file it stands in. Knowledge, not code: an operator reads, overrides and
// adds rules in the same form as the shipped ones. Patterns see the normalised text (`normaliseText` in reply.ts).

import { z } from 'zod'

import { readDocument, type ConfigDocument } from '../config/document'
import { phases } from '../outcome/record'
import { blames, bounceActions, bounceClasses } from './verdict'

/** In the order they are asked; the first rule that matches decides. */
export const layers = ['operator', 'provider', 'phrase', 'enhanced', 'weak', 'code'] as const
export type Layer = (typeof layers)[number]

const pattern = z.string().min(2).max(500)
const patterns = z.array(pattern).min(1).max(200)
const name = z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'a-z 0-9 _ . -')
/** `550`, `55x`, `5xx` */
const code = z.union([
  z.int().min(100).max(599).transform(String),
  z.string().regex(/^[1-5]([0-9][0-9x]|xx)$/, 'a code such as 550, 55x or 5xx'),
])
/** `5.7.1`, `x.7.1`, `5.7.x`, `x.7.x` */
const enhanced = z.string().regex(/^[245x]\.\d{1,3}\.(\d{1,3}|x)$/, 'an enhanced code such as 5.7.1, x.7.1 or x.7.x')

const ruleSchema = z
  .strictObject({
    id: name,
    class: z.enum(bounceClasses),
    /** Default: by class, see meaning.ts. */
    blame: z.enum(blames).optional(),
    action: z.enum(bounceActions).optional(),
    /** Seconds to wait where the provider's documentation says so and the reply does not. */
    wait_s: z.int().min(1).max(604_800).optional(),
    /** One of these must be found. */
    any: patterns.optional(),
    /** All of these must be found. */
    all: patterns.optional(),
    /** None of these may be found. */
    unless: patterns.optional(),
    codes: z.array(code).min(1).max(50).optional(),
    enhanced: z.array(enhanced).min(1).max(50).optional(),
    phases: z.array(z.enum(phases)).min(1).optional(),
    /** The words mean this only when one of these providers says them. */
    only: z.array(name).min(1).max(50).optional(),
    /** The words say little: in a report, a more telling text beside them decides. */
    vague: z.boolean().optional(),
    example: z.string().min(1).max(1000),
    /** Reply fields that the example's text does not carry. */
    given: z
      .strictObject({ provider: name.optional(), phase: z.enum(phases).optional(), code: z.int().optional() })
      .optional(),
    source: z.string().max(300).optional(),
    note: z.string().max(500).optional(),
  })
  .refine((rule) => rule.any ?? rule.all ?? rule.codes ?? rule.enhanced ?? rule.phases, {
    message: 'needs at least one of any, all, codes, enhanced, phases',
  })
  .refine((rule) => !rule.only || rule.given?.provider, { message: 'only needs given.provider for its example' })

const fileSchema = z.strictObject({
  layer: z.enum(layers).default('operator'),
  /** Where the facts of this file come from, for rules that name no source of their own. */
  source: z.string().max(300).optional(),
  /** Named lists of words: `{name}` in a pattern of this file stands for one of them. */
  words: z
    .record(z.string().regex(/^[a-z_]{2,40}$/, 'a-z _'), z.array(z.string().min(1).max(200)).min(1).max(300))
    .default({}),
  /** Ids of shipped rules that are not to be used. */
  disable: z.array(z.string().max(130)).max(1000).default([]),
  rules: z.array(ruleSchema).max(2000).default([]),
})

export type RuleSpec = z.output<typeof ruleSchema>
export type RuleFile = z.output<typeof fileSchema>

/** A rule with its place; `fullId` is unique over all files, words are expanded. */
export interface BounceRule extends RuleSpec {
  /** `<file name without folder and ending>/<id>` */
  readonly fullId: string
  readonly layer: Layer
  readonly file: string
}

/** @throws ConfigError naming file, line and key */
export const readRuleFile = (file: string, text: string): ConfigDocument<RuleFile> =>
  readDocument(file, text, fileSchema)

const stem = (file: string): string => (file.split('/').at(-1) ?? file).replace(/\.ya?ml$/, '')

export const rulesOf = (file: string, content: RuleFile): BounceRule[] => {
  const expand = (source: string): string =>
    source.replace(/\{([a-z_]{2,40})\}/g, (whole, key: string) => {
      const words = content.words[key]
      return words ? `(?:${words.join('|')})` : whole
    })
  return content.rules.map((rule) => ({
    ...rule,
    ...(rule.any && { any: rule.any.map(expand) }),
    ...(rule.all && { all: rule.all.map(expand) }),
    ...(rule.unless && { unless: rule.unless.map(expand) }),
    source: rule.source ?? content.source,
    fullId: `${stem(file)}/${rule.id}`,
    layer: content.layer,
    file,
  }))
}
