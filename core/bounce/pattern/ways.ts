// Bounds the work of a backtracking engine on one pattern, so that time stays linear in the length of the reply.

import type { Node } from './syntax'

/** The literal every match of `node` begins with, as far as it is fixed; `whole` if that is all of it. */
const head = (node: Node): { readonly text: string; readonly whole: boolean } => {
  switch (node.kind) {
    case 'char':
      return { text: node.char, whole: true }
    case 'anchor':
      return { text: '', whole: true }
    case 'set':
    case 'repeat':
      return { text: '', whole: false }
    case 'cat': {
      let text = ''
      for (const part of node.parts) {
        const next = head(part)
        text += next.text
        if (!next.whole) return { text, whole: false }
      }
      return { text, whole: true }
    }
    case 'alt': {
      const [first = '', ...others] = node.options.map((option) => head(option).text)
      let length = first.length
      for (const other of others) while (!other.startsWith(first.slice(0, length))) length--
      return { text: first.slice(0, length), whole: false }
    }
  }
}

/**
 * How many ways, at most, the pattern can match or half match from one position of a text. Options of an alternative
 * that begin with different letters exclude each other; every repetition is bounded, so the answer is finite.
 */
export const ways = (node: Node): number => {
  switch (node.kind) {
    case 'char':
    case 'set':
    case 'anchor':
      return 1
    case 'cat':
      return node.parts.reduce((product, part) => product * ways(part), 1)
    case 'alt': {
      const options = node.options.map((option) => ({ head: head(option).text, ways: ways(option) }))
      const together = options.map((one) =>
        options
          .filter((other) => one.head.startsWith(other.head) || other.head.startsWith(one.head))
          .reduce((sum, other) => sum + other.ways, 0),
      )
      return Math.max(...together)
    }
    case 'repeat': {
      const inner = ways(node.node)
      let total = 0
      for (let times = node.min; times <= node.max && total < Number.MAX_SAFE_INTEGER; times++) total += inner ** times
      return total
    }
  }
}
