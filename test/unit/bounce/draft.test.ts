import { compileRules } from '@sluice/core/bounce/compile'
import { classify } from '@sluice/core/bounce/classify'
import { draftRule, sayRule, withRule } from '@sluice/core/bounce/draft'
import { validateRules } from '@sluice/core/bounce/validate'
import { asReply, groupReplies, isUnknown, lastRules, signatureId, type SaidReply } from '@sluice/core/bounce/unknown'
import { describe, expect, it } from 'vitest'

import { shippedRules, shippedTexts } from './rules'

const rules = shippedRules()
const said = (reply: string, parts: Partial<SaidReply> = {}): SaidReply => ({
  code: Number(reply.slice(0, 3)),
  enhanced: '',
  reply,
  phase: 'rcpt',
  provider: 'there',
  permanent: reply.startsWith('5'),
  count: 1,
  first_at: 1000,
  last_at: 2000,
  ...parts,
})
const odd = (id: string, host: string): string =>
  `554 5.0.0 Zwiebelfisch ${id} (a.b+c) gesperrt durch ${host} [192.0.2.${id.length}]`

describe('unknown replies', () => {
  it('are grouped by signature, with counts, times and samples', () => {
    const groups = groupReplies(rules, [
      said(odd('1a81', 'mx1.there.test'), { count: 5, first_at: 500 }),
      said(odd('2zz99', 'mx2.there.test'), { count: 2, last_at: 9000, provider: 'elsewhere' }),
      said('550 5.1.1 user unknown', { count: 50 }),
    ])
    const [unknown, ...others] = groups.filter(isUnknown)
    expect(others).toEqual([])
    expect(unknown).toMatchObject({ count: 7, first_at: 500, last_at: 9000, providers: ['there', 'elsewhere'] })
    expect(unknown?.id).toBe(signatureId(unknown?.signature ?? ''))
    expect(unknown?.samples.map(({ count }) => count)).toEqual([5, 2])
    expect(lastRules(rules)).toEqual(expect.arrayContaining(['none', unknown?.rule]))
  })
})

describe('a rule drafted from them', () => {
  const [group] = groupReplies(rules, [said(odd('1a81', 'mx1.there.test')), said(odd('2zz99', 'mx2.there.test'))])
  if (!group) throw new Error('no group')

  it('decides every reply of the group, and passes the validator', () => {
    const rule = draftRule(group, { class: 'policy', blame: 'content' })
    if (!rule) throw new Error('no rule')
    const text = withRule('# mine\n', rule)
    expect(text).toMatch(/^# mine\nrules:\n {2}- id: policy-/)
    const operator = { file: 'bounce.yaml', text }
    expect(validateRules(shippedTexts(), operator).filter((one) => one.rule.startsWith('bounce/'))).toEqual([])
    const changed = compileRules(shippedTexts(), operator)
    for (const reply of [...group.samples, said(odd('3another', 'mx9.elsewhere.test'))]) {
      expect(classify(changed, asReply(reply))).toMatchObject({
        class: 'policy',
        blame: 'content',
        rule: `bounce/${rule.id}`,
      })
    }
    expect(classify(changed, asReply(said('554 5.0.0 something else gesperrt')))).not.toMatchObject({ class: 'policy' })
    expect(sayRule(rule)).toContain('example: ')
  })

  it('holds for one provider only, where that is wanted', () => {
    const rule = draftRule(group, { class: 'policy', provider: 'there' })
    if (!rule) throw new Error('no rule')
    const changed = compileRules(shippedTexts(), { file: 'bounce.yaml', text: withRule('', rule) })
    expect(classify(changed, asReply(said(odd('1a81', 'x.test')))).class).toBe('policy')
    expect(classify(changed, asReply(said(odd('1a81', 'x.test'), { provider: 'elsewhere' }))).class).not.toBe('policy')
  })

  it('is added behind the rules that are there; a bad file is refused', () => {
    const rule = draftRule(group, { class: 'policy' })
    if (!rule) throw new Error('no rule')
    const first = withRule('', rule)
    const second = withRule(first, { ...rule, id: 'second' })
    expect(second.startsWith(first.trimEnd())).toBe(true)
    expect(second.match(/^ {2}- id: /gm)).toHaveLength(2)
    expect(() => withRule('rules: 7', rule)).toThrow()
  })

  it('is none where there are no words', () => {
    const [bare] = groupReplies(rules, [said('554 12345')])
    expect(bare && draftRule(bare, { class: 'policy' })).toBeUndefined()
  })
})
