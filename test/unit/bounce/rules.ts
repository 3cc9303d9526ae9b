// The shipped rules, compiled once per test file.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

import { loadBounceRules, shippedRuleFiles } from '@sluice/core/bounce/classify'
import type { RuleText } from '@sluice/core/bounce/compile'
import { parse } from 'yaml'
import { z } from 'zod'

const find = createRequire(__filename)

export const readShipped = (file: string): string => readFileSync(find.resolve(`@sluice/core/data/${file}`), 'utf8')

export const shippedTexts = (): RuleText[] => shippedRuleFiles.map((file) => ({ file, text: readShipped(file) }))

export const shippedRules = () => loadBounceRules(readShipped)

const listed = z.record(z.string(), z.array(z.string()))

/** Replies of a fixture beside this file, as `[class, reply]`. */
export const repliesOf = (fixture: string): [expected: string, text: string][] =>
  Object.entries(listed.parse(parse(readFileSync(path.join(__dirname, fixture), 'utf8')))).flatMap(
    ([expected, texts]) => texts.map((text): [string, string] => [expected, text]),
  )

export const codeOf = (text: string): number => Number(/^[2-5]\d\d/.exec(text)?.[0] ?? 0)
