// What a pattern must contain: the literals of which at least one stands in every text it matches. They let one pass
// over a reply pick the few rules worth trying. Conservative: an empty answer means "no such literal", never "no match".

import { inSet, type Node } from './syntax'

export interface Required {
  /** At least one of these occurs in every match; empty = nothing can be said. */
  readonly literals: readonly string[]
  /** The pattern matches exactly where one of the literals occurs: no regular expression is needed. */
  readonly exact: boolean
}

interface Part {
  /** All strings the node can match, if they are few and no anchor is involved. */
  readonly all: readonly string[] | undefined
  /** Literals of which one must occur. */
  readonly best: readonly string[] | undefined
  readonly anchored: boolean
}

const maxStrings = 24
const maxSetSize = 4

const shortest = (literals: readonly string[]): number => Math.min(...literals.map((literal) => literal.length))

/** The more telling of two literal sets: the longer its shortest member, the rarer the false alarms. */
const better = (
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined => {
  if (!one || one.length === 0 || shortest(one) === 0) return other
  if (!other || other.length === 0 || shortest(other) === 0) return one
  const gain = shortest(one) - shortest(other)
  return gain > 0 || (gain === 0 && one.length <= other.length) ? one : other
}

const cross = (heads: readonly string[], tails: readonly string[]): string[] =>
  heads.flatMap((head) => tails.map((tail) => head + tail))

const inspect = (node: Node): Part => {
  switch (node.kind) {
    case 'char':
      return { all: [node.char], best: undefined, anchored: false }
    case 'anchor':
      return { all: [''], best: undefined, anchored: true }
    case 'set': {
      const members: string[] = []
      for (const [low, high] of node.set.negated ? [] : node.set.ranges) {
        for (let unit = low; unit <= high && members.length <= maxSetSize; unit++) {
          members.push(String.fromCharCode(unit))
        }
      }
      const few =
        members.length > 0 && members.length <= maxSetSize && members.every((m) => inSet(node.set, m.charCodeAt(0)))
      return { all: few ? members : undefined, best: undefined, anchored: false }
    }
    case 'cat':
      return inspectSequence(node.parts.map(inspect))
    case 'alt': {
      const options = node.options.map(inspect)
      const anchored = options.some((option) => option.anchored)
      const all = options.every((option) => option.all) ? options.flatMap((option) => option.all ?? []) : undefined
      const bests = options.map((option) => better(option.all, option.best))
      const best = bests.every((set) => set !== undefined) ? bests.flat() : undefined
      return { all: all && all.length <= maxStrings ? all : undefined, best, anchored }
    }
    case 'repeat': {
      const inner = inspect(node.node)
      if (node.min === 0) {
        const all = node.max === 1 && inner.all ? ['', ...inner.all] : undefined
        return { all, best: undefined, anchored: inner.anchored }
      }
      return node.max === 1 ? inner : { all: undefined, best: better(inner.all, inner.best), anchored: inner.anchored }
    }
  }
}

const inspectSequence = (parts: readonly Part[]): Part => {
  let run: readonly string[] = ['']
  let best: readonly string[] | undefined
  let broken = false
  const flush = () => {
    best = better(best, run)
    run = ['']
  }
  for (const part of parts) {
    if (part.all && run.length * part.all.length <= maxStrings) {
      run = cross(run, part.all)
      continue
    }
    flush()
    best = better(best, part.best)
    if (part.all) run = part.all
    broken = true
  }
  const anchored = parts.some((part) => part.anchored)
  if (broken) flush()
  return { all: broken ? undefined : run, best, anchored }
}

/** Literals every match of `node` contains. */
export const requiredLiterals = (node: Node): Required => {
  const part = inspect(node)
  const literals = better(part.all, part.best)
  if (!literals || literals.length === 0 || shortest(literals) === 0) return { literals: [], exact: false }
  return { literals: [...new Set(literals)], exact: part.all === literals && !part.anchored }
}
