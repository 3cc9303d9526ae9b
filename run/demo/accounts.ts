// The accounts of a run: what the receivers know they said, against what the outcome records say was heard. Pure.
// Compared by provider, source and kind of reply; a reply heard at one MX host before the attempt went on to another
// counts too, because that receiver said it.

/** The kinds of reply a sender can hear (RFC 5321 4.2.1). */
export const replies = ['accepted', 'refused for now', 'refused for good'] as const
export type Reply = (typeof replies)[number]

export interface Entry {
  readonly provider: string
  readonly source: string
  readonly reply: Reply
  readonly count: number
}

export interface Difference {
  readonly provider: string
  readonly source: string
  readonly reply: Reply
  readonly said: number
  readonly heard: number
}

/** undefined where nothing was said. */
export const replyOf = (code: number): Reply | undefined => {
  if (code >= 200 && code < 300) return 'accepted'
  if (code >= 400 && code < 500) return 'refused for now'
  return code >= 500 && code < 600 ? 'refused for good' : undefined
}

const keyOf = ({ provider, source, reply }: Omit<Entry, 'count'>): string => `${provider}\t${source}\t${reply}`

const sums = (entries: readonly Entry[]): Map<string, Entry> => {
  const found = new Map<string, Entry>()
  for (const entry of entries) {
    const key = keyOf(entry)
    found.set(key, { ...entry, count: entry.count + (found.get(key)?.count ?? 0) })
  }
  return found
}

/** Every provider, source and kind on which the two disagree; empty = the accounts are exact. */
export const differences = (said: readonly Entry[], heard: readonly Entry[]): Difference[] => {
  const [left, right] = [sums(said), sums(heard)]
  return [...new Map([...left, ...right])]
    .map(([key, { provider, source, reply }]) => ({
      provider,
      source,
      reply,
      said: left.get(key)?.count ?? 0,
      heard: right.get(key)?.count ?? 0,
    }))
    .filter((one) => one.said !== one.heard)
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

/** One line per provider: what both sides count, or both numbers where they differ. */
export const accountTable = (said: readonly Entry[], heard: readonly Entry[]): string[] => {
  const providers = [...new Set([...said, ...heard].map(({ provider }) => provider))].sort()
  const total = (entries: readonly Entry[], provider: string, reply: Reply): number =>
    entries.filter((one) => one.provider === provider && one.reply === reply).reduce((sum, one) => sum + one.count, 0)
  const cells = (provider: string): string[] =>
    replies.map((reply) => {
      const [left, right] = [total(said, provider, reply), total(heard, provider, reply)]
      return left === right ? String(left) : `${left} / ${right}`
    })
  const rows = [['provider', ...replies], ...providers.map((provider) => [provider, ...cells(provider)])]
  return rows.map(([name = '', ...numbers]) => name.padEnd(14) + numbers.map((text) => text.padStart(18)).join(''))
}
