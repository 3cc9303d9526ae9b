// The language of rule patterns: a small subset of RE2's regular expressions, parsed here so that a rule can be judged
// before it ever meets a reply. Literals, classes, groups, alternatives, anchors and bounded repetition; no lookaround,
// no backreference and no `*`, `+` or `{n,}` (write `{0,80}`), so that `ways` can bound the work of a backtracking
// engine. Anything else is refused with a sentence that says what to write instead.

/** Inclusive ranges of UTF-16 code units. */
export interface CharSet {
  readonly negated: boolean
  readonly ranges: readonly (readonly [number, number])[]
}

export type Node =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'anchor'; readonly anchor: '^' | '$' | '\\b' | '\\B' }
  | { readonly kind: 'cat'; readonly parts: readonly Node[] }
  | { readonly kind: 'alt'; readonly options: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number }

export class PatternError extends Error {
  constructor(pattern: string, at: number, says: string) {
    super(`${says} (at character ${at + 1} of ${JSON.stringify(pattern)})`)
    this.name = 'PatternError'
  }
}

const maxRepeat = 200
const maxLength = 3000

const code = (char: string): number => char.charCodeAt(0)
const digits: CharSet['ranges'] = [[code('0'), code('9')]]
const words: CharSet['ranges'] = [
  [code('0'), code('9')],
  [code('A'), code('Z')],
  [code('_'), code('_')],
  [code('a'), code('z')],
]
const spaces: CharSet['ranges'] = [
  [9, 13],
  [32, 32],
]
const classes: Readonly<Record<string, CharSet>> = {
  d: { negated: false, ranges: digits },
  D: { negated: true, ranges: digits },
  w: { negated: false, ranges: words },
  W: { negated: true, ranges: words },
  s: { negated: false, ranges: spaces },
  S: { negated: true, ranges: spaces },
}
const dot: CharSet = { negated: true, ranges: [[10, 10]] }

class Parser {
  private at = 0

  constructor(private readonly text: string) {}

  parse(): Node {
    if (this.text.length > maxLength) throw this.fault(`longer than ${maxLength} characters`)
    const node = this.alternatives()
    if (this.at < this.text.length) throw this.fault('unmatched )')
    return node
  }

  private fault(says: string): PatternError {
    return new PatternError(this.text, this.at, says)
  }

  private peek(): string | undefined {
    return this.text[this.at]
  }

  private alternatives(): Node {
    const options = [this.sequence()]
    while (this.peek() === '|') {
      this.at++
      options.push(this.sequence())
    }
    return options.length === 1 && options[0] ? options[0] : { kind: 'alt', options }
  }

  private sequence(): Node {
    const parts: Node[] = []
    for (let char = this.peek(); char !== undefined && char !== '|' && char !== ')'; char = this.peek()) {
      parts.push(this.repetition(this.atom(char)))
    }
    return parts.length === 1 && parts[0] ? parts[0] : { kind: 'cat', parts }
  }

  private atom(char: string): Node {
    if (char === '(') return this.group()
    if (char === '[') return { kind: 'set', set: this.bracket() }
    if (char === '\\') return this.escape()
    if ('*+?{'.includes(char)) throw this.fault(`nothing to repeat before ${char}`)
    this.at++
    if (char === '.') return { kind: 'set', set: dot }
    if (char === '^' || char === '$') return { kind: 'anchor', anchor: char }
    return { kind: 'char', char }
  }

  private group(): Node {
    this.at++
    if (this.peek() === '?') {
      if (this.text[this.at + 1] !== ':') throw this.fault('only plain and (?:…) groups; no lookaround, names or flags')
      this.at += 2
    }
    const node = this.alternatives()
    if (this.peek() !== ')') throw this.fault('group is not closed')
    this.at++
    return node
  }

  private escape(): Node {
    const char = this.text[this.at + 1]
    if (char === undefined) throw this.fault('nothing after \\')
    this.at += 2
    const set = classes[char]
    if (set) return { kind: 'set', set }
    if (char === 'b' || char === 'B') return { kind: 'anchor', anchor: `\\${char}` }
    if (/[A-Za-z0-9]/.test(char)) throw this.fault(`\\${char} is not allowed (no backreferences)`)
    return { kind: 'char', char }
  }

  private bracket(): CharSet {
    this.at++
    const negated = this.peek() === '^'
    if (negated) this.at++
    const ranges: (readonly [number, number])[] = []
    for (let char = this.peek(); char !== ']'; char = this.peek()) {
      if (char === undefined) throw this.fault('[ is not closed')
      const low = this.member(ranges)
      if (low === undefined) continue
      const high = this.peek() === '-' && this.text[this.at + 1] !== ']' ? (this.at++, this.member(ranges)) : low
      if (high === undefined || high < low) throw this.fault('bad range')
      ranges.push([low, high])
    }
    this.at++
    if (ranges.length === 0) throw this.fault('empty [ ]')
    return { negated, ranges }
  }

  /** One member of a bracket; a class such as \d is added to `ranges` and yields undefined. */
  private member(ranges: (readonly [number, number])[]): number | undefined {
    const char = this.peek() ?? ''
    this.at++
    if (char !== '\\') return code(char)
    const escaped = this.peek() ?? ''
    this.at++
    const set = classes[escaped]
    if (set?.negated) throw this.fault(`\\${escaped} inside [ ]`)
    if (set) return void ranges.push(...set.ranges)
    if (/[A-Za-z0-9]/.test(escaped)) throw this.fault(`\\${escaped} inside [ ]`)
    return code(escaped)
  }

  private repetition(node: Node): Node {
    const char = this.peek()
    if (char === '*' || char === '+') throw this.fault(`${char} has no bound: write {${char === '*' ? 0 : 1},80}`)
    if (char !== '?' && char !== '{') return node
    if (node.kind === 'anchor') throw this.fault('an anchor cannot be repeated')
    const [min, max] = char === '?' ? this.optional() : this.bounds()
    if (this.peek() !== undefined && '*+?{'.includes(this.peek() ?? '')) throw this.fault('repetition of a repetition')
    return { kind: 'repeat', node, min, max }
  }

  private optional(): [number, number] {
    this.at++
    return [0, 1]
  }

  private bounds(): [number, number] {
    const found = /^\{(\d{1,3})(?:(,)(\d{0,3}))?\}/.exec(this.text.slice(this.at))
    if (!found) throw this.fault('{ must be {n} or {n,m}')
    const min = Number(found[1])
    if (found[2] && !found[3]) throw this.fault('{n,} has no bound: write {n,80}')
    const max = found[2] ? Number(found[3]) : min
    if (max < min || max > maxRepeat) throw this.fault(`repeats at most ${maxRepeat} times`)
    this.at += found[0].length
    return [min, max]
  }
}

/** @throws PatternError saying what is not allowed and where */
export const parsePattern = (pattern: string): Node => new Parser(pattern).parse()

/** Whether `set` contains the code unit. */
export const inSet = (set: CharSet, unit: number): boolean =>
  set.ranges.some(([low, high]) => unit >= low && unit <= high) !== set.negated
