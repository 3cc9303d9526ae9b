import { readdirSync } from 'node:fs'
import path from 'node:path'

import { classify, compileRules, shippedRuleFiles } from '@sluice/core/bounce/classify'
import { validateRules } from '@sluice/core/bounce/validate'
import { ConfigError } from '@sluice/core/config/document'
import { describe, expect, it } from 'vitest'

import { shippedTexts } from './rules'

const own = (text: string) => ({ file: 'bounce.yaml', text })
const shipped = shippedTexts()

describe('shipped rules', () => {
  it('have nothing wrong with them: every rule matches, gets its turn and decides its own example', () => {
    expect(validateRules(shipped)).toEqual([])
  })

  it('are all read: the list names every file of the folder', () => {
    const folder = path.join(__dirname, '../../../core/data/bounce')
    expect(
      readdirSync(folder)
        .map((name) => `bounce/${name}`)
        .sort(),
    ).toEqual([...shippedRuleFiles].sort())
  })
})

describe("an operator's rules", () => {
  const rule = (more: string) =>
    own(`rules:\n  - { id: mine, class: policy, any: ['purple'], example: 550 Purple, ${more} }\n`)

  it('come before the shipped ones', () => {
    const rules = compileRules(
      shipped,
      own(`rules: [{ id: mine, class: policy, any: [user unknown], example: 550 User unknown }]`),
    )
    expect(classify(rules, { code: 550, text: 'User unknown' })).toMatchObject({ class: 'policy', rule: 'bounce/mine' })
    expect(rules.layerOf('bounce/mine')).toBe('operator')
  })

  it('can set blame, action and a time to wait', () => {
    const rules = compileRules(shipped, rule('blame: url, action: pause_stream, wait_s: 120'))
    expect(classify(rules, { code: 550, text: 'Purple' })).toMatchObject({
      blame: 'url',
      action: 'pause_stream',
      wait_s: 120,
    })
  })

  it('can take a shipped rule out by its id', () => {
    const text = '550 5.1.1 The email account that you tried to reach does not exist.'
    const without = compileRules(shipped, own('disable: [google/no-such-user]\nrules: []'))
    expect(classify(without, { code: 550, text }).rule).toBe('recipient/unknown')
  })

  it.each([
    ['an unknown key', rule('colour: red'), /bounce\.yaml:2: rules\.0\.colour: unknown key/],
    ['an unknown class', own(`rules: [{ id: a, class: nope, any: [xyz], example: x }]`), /rules\.0\.class/],
    ['a rule without conditions', own('rules: [{ id: a, class: policy, example: x }]'), /needs at least one of any/],
    ['an unbounded pattern', own(`rules: [{ id: a, class: policy, any: ['a.*b'], example: x }]`), /write \{0,80\}/],
    ['a backreference', own(`rules: [{ id: a, class: policy, any: ['(abc)\\1'], example: x }]`), /no backreferences/],
    ['a lookahead', own(`rules: [{ id: a, class: policy, any: ['abc(?=d)'], example: x }]`), /no lookaround/],
    [
      'a pattern that backtracks',
      own(`rules: [{ id: a, class: policy, any: ['x(a{0,9}){0,9}y'], example: x }]`),
      /too many ways/,
    ],
    [
      'a pattern without a literal',
      own(`rules: [{ id: a, class: policy, any: ['\\w{3,9}'], example: x }]`),
      /at least one literal/,
    ],
    [
      'an id used twice',
      own(
        `rules: [{ id: a, class: policy, any: [abc], example: x }, { id: a, class: policy, any: [abd], example: x }]`,
      ),
      /used twice/,
    ],
    ['an unknown rule to disable', own('disable: [google/nothing]'), /no rule google\/nothing/],
    ['an only without an example of it', rule('only: [google]'), /given\.provider/],
  ])('are refused with file and key: %s', (_, operator, says) => {
    expect(() => compileRules(shipped, operator)).toThrow(ConfigError)
    expect(() => compileRules(shipped, operator)).toThrow(says)
  })
})

describe('the validator', () => {
  const findings = (text: string) => validateRules([], own(text)).map(({ kind, rule }) => `${kind} ${rule}`)

  it('finds a rule that cannot match', () => {
    expect(findings(`rules: [{ id: a, class: policy, any: [Upper Case], example: upper case }]`)).toContain(
      'never bounce/a',
    )
    expect(findings(`rules: [{ id: a, class: policy, any: [abc], unless: [abc], example: abc }]`)).toContain(
      'never bounce/a',
    )
  })

  it('finds a rule that an earlier one shadows', () => {
    const text = `rules:
      - { id: first, class: policy, any: [blue sky], example: 550 blue sky }
      - { id: second, class: spam_content, any: [a blue sky today], example: 550 a blue sky today }`
    expect(findings(text)).toContain('shadowed bounce/second')
  })

  it('finds an example that contradicts its rule', () => {
    expect(findings(`rules: [{ id: a, class: policy, any: [abc], example: 550 something else }]`)).toEqual([
      'example bounce/a',
    ])
  })

  it('finds a pattern that is not allowed, without compiling it', () => {
    expect(findings(`rules: [{ id: a, class: policy, any: ['a+'], example: a }]`)).toEqual(['pattern bounce/a'])
  })

  it('is content with a good rule', () => {
    expect(findings(`rules: [{ id: a, class: policy, any: ['abc( def)?'], codes: [55x], example: 550 abc }]`)).toEqual(
      [],
    )
  })
})
