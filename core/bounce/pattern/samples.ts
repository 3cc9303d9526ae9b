// Texts that a pattern matches, for checking rules against each other: its shortest, its longest and its alternatives,
// up to a limit. Anchors and word boundaries are the caller's to respect.

import { inSet, type Node } from './syntax'

const fillers = ['a', '1', ' ', 'x', '-', '.', '@', '_', '#', ':']

/** @returns at least one text, at most `limit` */
export const samplesOf = (node: Node, limit = 16): string[] => [...new Set(expand(node, limit))].slice(0, limit)

const expand = (node: Node, limit: number): string[] => {
  switch (node.kind) {
    case 'char':
      return [node.char]
    case 'anchor':
      return ['']
    case 'set': {
      const found = fillers.find((char) => inSet(node.set, char.charCodeAt(0)))
      return [found ?? String.fromCharCode(node.set.ranges[0]?.[0] ?? 97)]
    }
    case 'cat':
      return node.parts.reduce<string[]>((heads, part) => combine(heads, expand(part, limit), limit), [''])
    case 'alt':
      return node.options.flatMap((option) => expand(option, limit)).slice(0, limit)
    case 'repeat': {
      const inner = expand(node.node, limit)
      return node.max === 1 ? ['', ...inner] : [(inner[0] ?? '').repeat(Math.max(node.min, 1))]
    }
  }
}

/** Joins heads and tails so that every head and every tail occurs, without all their combinations. */
const combine = (heads: readonly string[], tails: readonly string[], limit: number): string[] => {
  const many = Math.min(limit, Math.max(heads.length, tails.length))
  return Array.from({ length: many }, (_, i) => `${heads[i % heads.length] ?? ''}${tails[i % tails.length] ?? ''}`)
}
