// Rules compiled for speed: one pass over the text finds the literals in it, only rules that own one of them are
// tried, in order, and the first that matches decides. A set is immutable but keeps scratch arrays, so it serves one
// thread (as everything in JavaScript does). Work per reply is linear in its length: `ways` of every pattern is bounded.

import type { Phase } from '../outcome/record'
import { meanings } from './meaning'
import { Automaton } from './pattern/automaton'
import { PatternCheck } from './pattern/check'
import type { NormalReply } from './reply'
import type { BounceRule, Layer } from './rule'
import type { Verdict } from './verdict'
import { waitHints } from './wait'

interface Pattern {
  /** Undefined where finding the literal is enough. */
  readonly regex: RegExp | undefined
  /** Rules to try when one of the pattern's literals is found. */
  readonly triggers: number[]
}

interface Conditions {
  readonly any: readonly number[]
  readonly all: readonly number[]
  readonly unless: readonly number[]
  readonly codes: ReadonlySet<number> | undefined
  readonly enhanced: readonly (readonly [number, string])[] | undefined
  readonly phases: ReadonlySet<Phase> | undefined
  readonly only: ReadonlySet<string> | undefined
}

export interface CompiledRule {
  readonly rule: BounceRule
  /** The verdict for a temporary and for a permanent refusal. */
  readonly verdicts: readonly [Verdict, Verdict]
}

export class RuleSet {
  readonly rules: readonly CompiledRule[]
  private readonly conditions: Conditions[] = []
  private readonly patterns: Pattern[] = []
  private readonly automaton: Automaton
  /** Literal id -> ids of the patterns that have it. */
  private readonly owners: readonly (readonly number[])[]
  private readonly byEnhanced = new Map<string, number[]>()
  private readonly byCode = new Map<number, number[]>()
  private readonly always: number[] = []
  private readonly byId: ReadonlyMap<string, BounceRule>

  // Scratch: what is known of the current reply. A stamp equal to `now` means yes, to -now means no.
  private now = 0
  private readonly seenAt: Int32Array
  private readonly truthAt: Int32Array
  private readonly candidates: Uint32Array
  private hinted = false
  private readonly seen = (literal: number): void => {
    for (const id of this.owners[literal] as readonly number[]) this.onPattern(id)
  }

  /** @param rules in the order they are to be asked; their patterns must have been checked */
  constructor(
    rules: readonly BounceRule[],
    private readonly check = new PatternCheck(),
  ) {
    const known = new Map<string, number>()
    const owners = new Map<string, number[]>()
    const intern = (source: string): number => known.get(source) ?? this.addPattern(source, known, owners)
    this.rules = rules.map((rule, index) => {
      const conditions = compileConditions(rule, intern)
      this.conditions.push(conditions)
      this.index(index, conditions)
      return { rule, verdicts: [verdictOf(rule, false), verdictOf(rule, true)] }
    })
    this.byId = new Map(rules.map((rule) => [rule.fullId, rule]))
    for (const hint of waitHints) append(owners, hint, hintOfWait)
    this.owners = [...owners.values()]
    this.automaton = new Automaton([...owners.keys()])
    this.seenAt = new Int32Array(this.patterns.length)
    this.truthAt = new Int32Array(this.patterns.length)
    this.candidates = new Uint32Array((rules.length >> 5) + 1)
  }

  /**
   * Layer of the rule with this full id; `none` for the verdict without a rule. What ended in `none`, `code`, `weak`
   * or `enhanced` is not yet known by its words.
   */
  layerOf(rule: string): Layer | 'none' {
    return this.byId.get(rule)?.layer ?? 'none'
  }

  /** Whether the rule with this full id says that its words say little. */
  isVague(rule: string): boolean {
    return this.byId.get(rule)?.vague ?? false
  }

  /** Whether the text matched last could state a time to wait. */
  get mayStateWait(): boolean {
    return this.hinted
  }

  /** The first rule that matches. */
  match(reply: NormalReply, phase: Phase | undefined, provider: string | undefined): CompiledRule | undefined {
    this.now = this.now >= 0x7ffffffe ? this.restart() : this.now + 1
    this.hinted = false
    const { candidates } = this
    candidates.fill(0)
    this.automaton.scan(reply.text, this.seen)
    for (const index of this.always) this.nominate(index)
    if (reply.enhancedDetail) {
      for (const index of this.byEnhanced.get(reply.enhancedDetail) ?? []) this.nominate(index)
      for (const index of this.byEnhanced.get(anyDetail(reply.enhancedDetail)) ?? []) this.nominate(index)
    }
    for (const index of this.byCode.get(reply.code) ?? []) this.nominate(index)
    for (let word = 0; word < candidates.length; word++) {
      let bits = candidates[word] as number
      while (bits !== 0) {
        const index = (word << 5) + 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
        if (this.holds(this.conditions[index] as Conditions, reply, phase, provider)) return this.rules[index]
      }
    }
    return undefined
  }

  private restart(): number {
    this.seenAt.fill(0)
    this.truthAt.fill(0)
    return 1
  }

  private nominate(index: number): void {
    this.candidates[index >> 5] = (this.candidates[index >> 5] as number) | (1 << (index & 31))
  }

  private onPattern(id: number): void {
    if (id === hintOfWait) this.hinted = true
    else if (this.seenAt[id] !== this.now) {
      this.seenAt[id] = this.now
      for (const index of (this.patterns[id] as Pattern).triggers) this.nominate(index)
    }
  }

  private holds(c: Conditions, reply: NormalReply, phase: Phase | undefined, provider: string | undefined): boolean {
    if (c.only && !(provider !== undefined && c.only.has(provider))) return false
    if (c.codes && !c.codes.has(reply.code)) return false
    if (c.enhanced && !c.enhanced.some((wanted) => isEnhanced(wanted, reply))) return false
    if (c.phases && !(phase !== undefined && c.phases.has(phase))) return false
    for (const id of c.unless) if (this.found(id, reply.text)) return false
    for (const id of c.all) if (!this.found(id, reply.text)) return false
    if (c.any.length === 0) return true
    for (const id of c.any) if (this.found(id, reply.text)) return true
    return false
  }

  private found(id: number, text: string): boolean {
    if (this.seenAt[id] !== this.now) return false
    const { regex } = this.patterns[id] as Pattern
    if (!regex) return true
    const known = this.truthAt[id]
    if (known === this.now) return true
    if (known === -this.now) return false
    const truth = regex.test(text)
    this.truthAt[id] = truth ? this.now : -this.now
    return truth
  }

  private addPattern(source: string, known: Map<string, number>, owners: Map<string, number[]>): number {
    const checked = this.check.of(source)
    if (checked.fault !== undefined) throw new RangeError(checked.fault)
    const { literals, exact } = checked
    const id = this.patterns.push({ regex: exact ? undefined : new RegExp(source), triggers: [] }) - 1
    known.set(source, id)
    for (const literal of literals) append(owners, literal, id)
    return id
  }

  /** Where the rule is found: by a pattern if it has one that must match, else by its codes. */
  private index(index: number, c: Conditions): void {
    const triggers = c.any.length > 0 ? c.any : c.all.slice(0, 1)
    if (triggers.length > 0) for (const id of triggers) this.patterns[id]?.triggers.push(index)
    else if (c.enhanced) for (const [, detail] of c.enhanced) append(this.byEnhanced, detail, index)
    else if (c.codes) for (const code of c.codes) append(this.byCode, code, index)
    else this.always.push(index)
  }
}

/** Stands among the pattern ids for "the text may state a time to wait". */
const hintOfWait = -1

const append = <K>(map: Map<K, number[]>, key: K, index: number): void => {
  const list = map.get(key)
  if (list) list.push(index)
  else map.set(key, [index])
}

const anyDetail = (detail: string): string => `${detail.slice(0, detail.indexOf('.'))}.x`

const isEnhanced = ([digit, detail]: readonly [number, string], reply: NormalReply): boolean =>
  (digit === 0 || digit === reply.enhancedClass) &&
  (detail === reply.enhancedDetail || (detail.endsWith('x') && detail === anyDetail(reply.enhancedDetail)))

const expandCode = (code: string): number[] => {
  const low = Number(code.replaceAll('x', '0'))
  const high = Number(code.replaceAll('x', '9'))
  return Array.from({ length: high - low + 1 }, (_, i) => low + i)
}

const compileConditions = (rule: BounceRule, intern: (source: string) => number): Conditions => ({
  any: (rule.any ?? []).map(intern),
  all: (rule.all ?? []).map(intern),
  unless: (rule.unless ?? []).map(intern),
  codes: rule.codes ? new Set(rule.codes.flatMap(expandCode)) : undefined,
  enhanced: rule.enhanced?.map((text) => [text.startsWith('x') ? 0 : Number(text[0]), text.slice(2)] as const),
  phases: rule.phases ? new Set(rule.phases) : undefined,
  only: rule.only ? new Set(rule.only) : undefined,
})

const verdictOf = (rule: BounceRule, permanent: boolean): Verdict => {
  const meaning = meanings[rule.class]
  const action = rule.action ?? meaning.actions[permanent ? 1 : 0]
  return Object.freeze({
    class: rule.class,
    blame: rule.blame ?? meaning.blame,
    hard: meaning.hard && permanent,
    permanent,
    action: action === 'suppress' && !(meaning.hard && permanent) ? 'retry_later' : action,
    ...(rule.wait_s === undefined ? {} : { wait_s: rule.wait_s }),
    rule: rule.fullId,
  })
}
