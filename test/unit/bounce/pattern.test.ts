import { Automaton } from '@sluice/core/bounce/pattern/automaton'
import { requiredLiterals } from '@sluice/core/bounce/pattern/literals'
import { samplesOf } from '@sluice/core/bounce/pattern/samples'
import { parsePattern } from '@sluice/core/bounce/pattern/syntax'
import { ways } from '@sluice/core/bounce/pattern/ways'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const literalsOf = (source: string) => requiredLiterals(parsePattern(source))

/** Patterns of the allowed language, without anchors. */
const pattern: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.stringMatching(/^[a-c]{1,3}$/),
    fc.constantFrom('[ab]', '[^a]', '\\d', '.', 'a?', 'b{1,2}', 'c{0,3}'),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => `${a}${b}`),
    fc.tuple(tie('any'), tie('any')).map(([a, b]) => `(${a}|${b})`),
    tie('any').map((a) => `(?:${a})?`),
  ),
})).any

describe('required literals', () => {
  it.each([
    ['user unknown', ['user unknown'], true],
    ['(mailbox|inbox) is full', ['mailbox is full', 'inbox is full'], true],
    ['\\bspam\\b', ['spam'], false],
    ['quota.{0,20}exceeded', ['exceeded'], false],
    ['a?b?', [], false],
  ])('of %s', (source, literals, exact) => {
    expect(literalsOf(source)).toEqual({ literals, exact })
  })

  it('stand in every text the pattern matches', () => {
    fc.assert(
      fc.property(pattern, fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1'), maxLength: 14 }), (source, text) => {
        const { literals, exact } = literalsOf(source)
        const found = literals.some((literal) => text.includes(literal))
        const matches = new RegExp(source).test(text)
        if (matches && literals.length > 0) expect(found).toBe(true)
        if (exact) expect(found).toBe(matches)
      }),
      { numRuns: 3000, interruptAfterTimeLimit: 3000 },
    )
  })

  it('samples of a pattern match it', () => {
    fc.assert(
      fc.property(pattern, (source) => {
        for (const sample of samplesOf(parsePattern(source)))
          expect(new RegExp(`^(?:${source})$`).test(sample)).toBe(true)
      }),
      { numRuns: 1000, interruptAfterTimeLimit: 3000 },
    )
  })
})

describe('ways', () => {
  it('bounds what a backtracking engine may try', () => {
    expect(ways(parsePattern('user unknown'))).toBe(1)
    expect(ways(parsePattern('(abc|abd|xyz)'))).toBe(1)
    expect(ways(parsePattern('(a|ab|abc)'))).toBe(3)
    expect(ways(parsePattern('a.{0,80}b'))).toBe(81)
    expect(ways(parsePattern('(a{0,9}){0,9}'))).toBeGreaterThan(1e8)
  })
})

describe('the automaton', () => {
  it('finds what a plain search finds', () => {
    const literal = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', '.', 'я', 'é'), minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(
        fc.uniqueArray(literal, { minLength: 1, maxLength: 12 }),
        fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', '.', '!', 'я', 'é', 'ж'), maxLength: 40 }),
        (literals, text) => {
          const seen = new Set<number>()
          new Automaton(literals).scan(text, (id) => seen.add(id))
          expect([...seen].sort()).toEqual(literals.flatMap((each, id) => (text.includes(each) ? [id] : [])).sort())
        },
      ),
      { numRuns: 2000, interruptAfterTimeLimit: 3000 },
    )
  })
})

describe('the language of patterns', () => {
  it.each(['a*', 'a+', 'a{2,}', '(?=a)', '(?<n>a)', '\\1', '[z-a]', '(a', 'a)', 'a{1,999}', '\\k', '(?i)a', 'a{2}{3}'])(
    'refuses %s',
    (source) => expect(() => parsePattern(source)).toThrow(/character/),
  )

  it.each(['a{2}', 'a{0,80}', '[^a-z0-9]', '\\[\\d{1,3}\\]', '(?:a|b)c?', '^x$', '\\bword\\b'])(
    'accepts %s',
    (source) => expect(() => parsePattern(source)).not.toThrow(),
  )
})
