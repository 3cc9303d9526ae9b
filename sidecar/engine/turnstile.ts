// Lets at most `places` through at once; the next ones wait in a line of bounded length, first come first served.
// A query holds a native thread while it runs, so this is what keeps the engine's thread pool from filling up.

import { refuse } from './exception'

interface Waiting {
  readonly enter: () => void
  readonly leave: (reason: Error) => void
}

export class Turnstile {
  readonly #places: number
  readonly #line: number
  readonly #waiting = new Set<Waiting>()
  #inside = 0

  /** @param places how many may be inside @param line how many may wait */
  constructor(places: number, line: number) {
    this.#places = places
    this.#line = line
  }

  get inside(): number {
    return this.#inside
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Waits for a place and returns how to give it back (once; later calls do nothing).
   * @throws Exception 202 where the line is full, or what `signal` was aborted with
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#inside < this.#places) this.#inside += 1
    else await this.#wait(signal)
    let left = false
    return () => {
      if (left) return
      left = true
      this.#pass()
    }
  }

  /** The leaver's place goes straight to the first in line. */
  #pass(): void {
    const [next] = this.#waiting
    if (next) next.enter()
    else this.#inside -= 1
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#line) {
      const busy = `${this.#places} queries run and ${this.#line} wait already`
      return Promise.reject(refuse('TOO_MANY_SIMULTANEOUS_QUERIES', busy))
    }
    return new Promise((resolve, reject) => {
      const away = (): void => waiting.leave(signal.reason as Error)
      const done = (): void => {
        this.#waiting.delete(waiting)
        signal.removeEventListener('abort', away)
      }
      const waiting: Waiting = {
        enter: () => {
          done()
          resolve()
        },
        leave: (reason) => {
          done()
          reject(reason)
        },
      }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', away, { once: true })
    })
  }
}
