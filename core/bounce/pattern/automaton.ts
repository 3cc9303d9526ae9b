// Finds all of many literals in one pass over a text (Aho and Corasick, 1975), as a dense transition table: one look-up
// per character whatever the number of literals. A scan is as fast as the table is small, so a row has 32 columns of
// two bytes, one cache line: the letters, the space, and digits, punctuation and foreign letters each as one. What is
// found is therefore only likely: a literal with anything but letters and spaces is compared before it is reported.

const shift = 5
const width = 1 << shift
const maxStates = 0xffff

const columnOf = ((): Uint8Array => {
  const columns = new Uint8Array(0x10000).fill(31)
  columns.fill(30, 0x80, 0x250)
  columns.fill(29, 0x21, 0x7f)
  columns.fill(28, 0x30, 0x3a)
  columns.fill(0, 0, 0x20)
  columns[0x20] = 27
  for (let letter = 0; letter < 26; letter++) columns[0x61 + letter] = letter + 1
  return columns
})()

const certain = /^[a-z ]+$/

export class Automaton {
  private readonly next: Uint16Array
  /** States from this one on end a literal; those below do not, which is nearly always the case in a scan. */
  private readonly firstEnd: number
  /** Literal ids of the ending states. */
  private readonly ends: readonly (readonly number[])[]
  /** The literal itself where the columns do not tell it for certain, else empty. */
  private readonly compare: readonly string[]

  /**
   * @param literals none empty, lower case; the index of a literal is its id
   * @throws RangeError beyond 65,535 states
   */
  constructor(literals: readonly string[]) {
    const trie = new Trie(literals.reduce((sum, literal) => sum + literal.length, 1))
    literals.forEach((literal, id) => trie.add(literal, id))
    const order = trie.link()
    const ends = (state: number): readonly number[] => trie.ids[state] ?? []
    const plain = order.filter((state) => ends(state).length === 0)
    const ending = order.filter((state) => ends(state).length > 0)
    this.firstEnd = plain.length
    this.ends = ending.map(ends)
    this.next = trie.table([...plain, ...ending])
    this.compare = literals.map((literal) => (certain.test(literal) ? '' : literal))
  }

  get states(): number {
    return this.next.length >> shift
  }

  /** Calls `seen` with the id of every literal in `text`, once for each time it occurs. */
  scan(text: string, seen: (id: number) => void): void {
    const { next, firstEnd } = this
    const { length } = text
    let state = 0
    for (let i = 0; i < length; i++) {
      state = next[(state << shift) + (columnOf[text.charCodeAt(i)] as number)] as number
      if (state >= firstEnd) this.report(state - firstEnd, text, i + 1, seen)
    }
  }

  private report(end: number, text: string, at: number, seen: (id: number) => void): void {
    for (const id of this.ends[end] as readonly number[]) {
      const literal = this.compare[id] as string
      if (literal === '' || text.startsWith(literal, at - literal.length)) seen(id)
    }
  }
}

class Trie {
  readonly ids: number[][] = [[]]
  private readonly next: Uint16Array

  constructor(mostStates: number) {
    this.next = new Uint16Array(Math.min(mostStates, maxStates + 1) << shift)
  }

  add(literal: string, id: number): void {
    let state = 0
    for (let i = 0; i < literal.length; i++) {
      const at = (state << shift) + (columnOf[literal.charCodeAt(i)] as number)
      state = this.next[at] as number
      if (state !== 0) continue
      if (this.ids.length > maxStates) throw new RangeError('the literals of rules need more than 65,535 states')
      state = this.next[at] = this.ids.push([]) - 1
    }
    this.ids[state]?.push(id)
  }

  /** Completes the transitions breadth first, so that a scan never steps back. Returns the states in that order. */
  link(): number[] {
    const { next, ids } = this
    const fail = new Uint16Array(ids.length)
    const queue: number[] = [0]
    for (let head = 0; head < queue.length; head++) {
      const state = queue[head] as number
      for (let column = 0; column < width; column++) {
        const at = (state << shift) + column
        const fallback = state === 0 ? 0 : (next[((fail[state] as number) << shift) + column] as number)
        const child = next[at] as number
        if (child === 0) next[at] = fallback
        else {
          fail[child] = fallback
          ids[child]?.push(...(ids[fallback] as number[]))
          queue.push(child)
        }
      }
    }
    return queue
  }

  /** The transitions with states renumbered: `order[n]` becomes n. */
  table(order: readonly number[]): Uint16Array {
    const { next } = this
    const numberOf = new Uint16Array(order.length)
    order.forEach((state, at) => (numberOf[state] = at))
    const table = new Uint16Array(order.length << shift)
    order.forEach((state, at) => {
      for (let column = 0; column < width; column++) {
        table[(at << shift) + column] = numberOf[next[(state << shift) + column] as number] as number
      }
    })
    return table
  }
}
