// One look at a pattern: may it be used, and what must a text contain for it to match.

import { requiredLiterals, type Required } from './literals'
import { parsePattern, PatternError } from './syntax'
import { ways } from './ways'

/** A pattern may try this many ways at one position of a text. */
export const maxWays = 20_000

export type Checked = ({ readonly fault: undefined } & Required) | { readonly fault: string }

export const checkPattern = (source: string): Checked => {
  try {
    const node = parsePattern(source)
    const tries = ways(node)
    if (tries > maxWays) return { fault: `too many ways to match (${tries}, at most ${maxWays}): ${source}` }
    const required = requiredLiterals(node)
    if (required.literals.length === 0) return { fault: `needs at least one literal that must occur: ${source}` }
    return { fault: undefined, ...required }
  } catch (error) {
    if (error instanceof PatternError) return { fault: error.message }
    throw error
  }
}

/** Remembers what was checked, for one compilation. */
export class PatternCheck {
  private readonly known = new Map<string, Checked>()

  of(source: string): Checked {
    const known = this.known.get(source)
    if (known) return known
    const checked = checkPattern(source)
    this.known.set(source, checked)
    return checked
  }
}
