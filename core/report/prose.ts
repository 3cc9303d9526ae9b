// Bounces in plain words: qmail, Exim, Exchange, Notes, GroupWise, IMail, Yahoo, Gmail, Sendmail, Courier, MDaemon, the
// Japanese carriers and their imitators. Finds the failed addresses and, for each, the words that belong to it.
// Addresses are looked for in a fixed order of ways, from a list of their own down to any address in the text.

import { addressesIn, addressIn } from './address'
import {
  asksForHelp,
  failingLabel,
  inSentences,
  neutralLabel,
  otherPersonLabel,
  plainLabel,
  statusLabel,
} from './phrases'

export interface Failure {
  readonly recipient: string
  /** The words next to the address; may be empty. */
  readonly text: string
}

export interface Failures {
  readonly failures: readonly Failure[]
  /** The addresses stand in a list of their own, not in a sentence. */
  readonly listed: boolean
}

const maxLines = 400
const maxFailures = 500
const maxSentences = 8000

/** An address at the head of a line, after bullets or brackets, or after a word such as "Recipient:". */
const head =
  /^[\s>*•|+-]{0,40}(?:\d{1,3}[.)]\s{1,4})?(?:(?<label>[a-z][a-z0-9' /()-]{0,60}?)\s{0,9}[:=]\s{0,9}(?:rfc822;\s{0,4})?)?["'(]?<?(?:mailto:)?(?<address>[^\s<>()[\]",;:'`\\=|\u3000-\u303f\uff01-\uff0f\uff1a-\uff20]{1,128}@[a-z0-9][a-z0-9._-]{0,250})>?["')]?(?<rest>.*)$/i
const quotedHead = /^[\s>*-]{0,40}<?(?<address>"[^"]{1,128}"@[a-z0-9._-]{1,253})>?(?<rest>.*)$/i
/** A rest that reads on as a sentence makes the address part of it, not a head. */
const readsOn = /^\s{1,4}(?:or|and|if|to|by|for|with|when|via|at)\b/i

interface Line {
  readonly text: string
  readonly indent: number
}

interface Head {
  readonly at: number
  readonly address: string
  readonly rest: string
  readonly label: string
}

export class Prose {
  private linesRead: readonly Line[] | undefined
  private headsRead: readonly Head[] | undefined
  private aboutRead: ReadonlyMap<string, string> | undefined

  /** @param text the report's own words, without the copy of the original mail */
  constructor(readonly text: string) {}

  /**
   * The failed recipients that the text names.
   * @param ignore addresses that are not recipients (the sender, the reporter), lower case
   */
  failures(ignore: ReadonlySet<string>): Failures {
    const ways: (() => Failure[])[] = [
      () => this.headed(({ label, rest }) => label === '' && !readsOn.test(rest)),
      () => this.headed(({ label }) => failingLabel.test(label)),
      () => this.inSentences(),
      () => this.headed(({ label }) => label !== '' && !neutralLabel.test(label) && !otherPersonLabel.test(label)),
      () => this.headed(({ label }) => neutralLabel.test(label)),
      () => this.anywhere(),
    ]
    for (const [index, way] of ways.entries()) {
      const failures = unique(way(), ignore)
      if (failures.length > 0) return { failures, listed: index === 0 }
    }
    return { failures: [], listed: false }
  }

  /** The words about one recipient, where the text lists it; empty where it does not. */
  about(recipient: string): string {
    this.aboutRead ??= new Map(
      this.headed(() => true)
        .reverse()
        .map((failure) => [failure.recipient.toLowerCase(), failure.text]),
    )
    return this.aboutRead.get(recipient.toLowerCase()) ?? ''
  }

  private get lines(): readonly Line[] {
    this.linesRead ??= this.text
      .split('\n', maxLines)
      .map((line) => ({ text: line.trimEnd(), indent: line.length - line.trimStart().length }))
    return this.linesRead
  }

  /** Lines that begin with an address which may have failed. */
  private get heads(): readonly Head[] {
    this.headsRead ??= this.lines.flatMap((line, at) => {
      const found = line.text.includes('@') ? headOf(line.text, at) : undefined
      return found && !statusLabel.test(found.label) && !this.isHelp(found) ? [found] : []
    })
    return this.headsRead
  }

  private isHelp(found: Head): boolean {
    const own = this.lines[found.at]?.text.replace(found.address, '') ?? ''
    const above = this.above(found.at)
    return asksForHelp.test(own) || (asksForHelp.test(above) && !/[.:!?]$/.test(above))
  }

  /** The nearest line above that is not empty, at most three up. */
  private above(at: number): string {
    for (let up = at - 1; up >= Math.max(0, at - 3); up--) if (!this.blank(up)) return this.lines[up]?.text ?? ''
    return ''
  }

  private blank(at: number): boolean {
    return (this.lines[at]?.text ?? '').trim() === ''
  }

  /** A deeper line right below a head belongs to it, also where it begins with an address. */
  private continues(previous: Head | undefined, found: Head): boolean {
    if (!previous || (this.lines[found.at]?.indent ?? 0) <= (this.lines[previous.at]?.indent ?? 0)) return false
    for (let at = previous.at + 1; at < found.at; at++) if (this.blank(at)) return false
    return true
  }

  private headed(wanted: (head: Head) => boolean): Failure[] {
    const chosen = this.heads.filter(wanted)
    const heads = chosen.filter((found, index) => !this.continues(chosen[index - 1], found)).slice(0, maxFailures)
    return heads.map((found, index) => ({
      recipient: found.address,
      text: this.wordsAfter(found, heads[index + 1]?.at ?? this.lines.length),
    }))
  }

  /** The words after a head: its rest, and the lines below up to the next head or the end of the paragraph. */
  private wordsAfter(from: Head, next: number): string {
    const label = from.label === '' || plainLabel.test(from.label) ? '' : `${from.label}:`
    const rest = from.rest.replace(/^[\s:;,.\])>-]{1,9}/, '')
    const words = [label, rest]
    let at = from.at + 1
    if (rest === '') while (at < next && this.blank(at) && at < from.at + 3) at++
    for (; at < next && !this.blank(at); at++) words.push(this.lines[at]?.text.trim() ?? '')
    return words.join(' ').trim()
  }

  private inSentences(): Failure[] {
    const text = this.lines
      .filter((line) => !asksForHelp.test(line.text))
      .map((line) => line.text.trim())
      .join(' ')
      .slice(0, maxSentences)
    if (!text.includes('@')) return []
    for (const pattern of inSentences) {
      const found = [...text.matchAll(pattern)].flatMap((match) => {
        const address = addressIn(match.groups?.['address'] ?? '')
        return address ? [{ recipient: address, text: text.slice(match.index, match.index + 600) }] : []
      })
      if (found.length > 0) return found
    }
    return []
  }

  private anywhere(): Failure[] {
    return this.lines
      .filter((line) => line.text.includes('@') && !asksForHelp.test(line.text))
      .flatMap((line) => addressesIn(line.text).map((recipient) => ({ recipient, text: '' })))
  }
}

const headOf = (line: string, at: number): Head | undefined => {
  const found = (head.exec(line) ?? quotedHead.exec(line))?.groups
  const address = found?.['address']?.replace(/[.]$/, '')
  if (!found || address === undefined) return undefined
  return { at, address, rest: found['rest'] ?? '', label: found['label'] ?? '' }
}

/** Each address once; the longest words for it are kept. */
const unique = (failures: readonly Failure[], ignore: ReadonlySet<string>): Failure[] => {
  const found = new Map<string, Failure>()
  for (const failure of failures) {
    const key = failure.recipient.toLowerCase()
    const known = found.get(key)
    if (!ignore.has(key) && (!known || known.text.length < failure.text.length)) found.set(key, failure)
  }
  return [...found.values()]
}
