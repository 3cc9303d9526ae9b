// A cache of answers by name: each is kept until its own expiry, one look-up serves everybody who asks while it is
// under way, and the oldest used entries go first when it is full.

export interface Expiring {
  /** ms since 1970 */
  readonly expires: number
}

export class AnswerCache<T extends Expiring> {
  private readonly entries = new Map<string, { readonly answer: T; readonly promise: Promise<T> }>()
  private readonly underWay = new Map<string, Promise<T>>()

  constructor(
    private readonly limit: number,
    private readonly now: () => number,
  ) {}

  get size(): number {
    return this.entries.size
  }

  /** The answer if it is fresh. */
  peek(key: string): T | undefined {
    return this.fresh(key)?.answer
  }

  /** The fresh answer, the one under way, or what `lookUp` finds. `lookUp` must not reject. */
  get(key: string, lookUp: () => Promise<T>): Promise<T> {
    const entry = this.fresh(key)
    if (entry) return entry.promise
    const running = this.underWay.get(key)
    if (running) return running
    const promise = lookUp().then(
      (answer) => {
        this.underWay.delete(key)
        this.keep(key, answer, promise)
        return answer
      },
      (thrown: unknown) => {
        this.underWay.delete(key)
        throw thrown
      },
    )
    this.underWay.set(key, promise)
    return promise
  }

  clear(): void {
    this.entries.clear()
  }

  private fresh(key: string) {
    const entry = this.entries.get(key)
    if (!entry) return undefined
    this.entries.delete(key)
    if (entry.answer.expires <= this.now()) return undefined
    // Put back at the end: the map's order is the order of use.
    this.entries.set(key, entry)
    return entry
  }

  private keep(key: string, answer: T, promise: Promise<T>): void {
    this.entries.set(key, { answer, promise })
    if (this.entries.size <= this.limit) return
    const [oldest] = this.entries.keys()
    if (oldest !== undefined) this.entries.delete(oldest)
  }
}
