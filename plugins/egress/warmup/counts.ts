// What was heard last of the day's counts: messages used over all workers, and until when the pace lets nobody go.
// Other workers use the same allowance, so it may be less than what is true; the admission decides, this only saves
// the mail a way into a lane that will not take it.

import type { WarmupCount } from '../lane/ruling'

interface Heard {
  readonly day: number
  readonly used: number
  /** ms since 1970 */
  readonly pacedUntil: number
}

const unheard: Heard = { day: 0, used: 0, pacedUntil: 0 }

const keyOf = (source: string, counter: string): string => JSON.stringify([source, counter])

export class WarmupCounts {
  private readonly heard = new Map<string, Heard>()

  learn(source: string, counter: string, { day, used, wait_ms }: WarmupCount, now: number): void {
    this.heard.set(keyOf(source, counter), { day, used, pacedUntil: wait_ms > 0 ? now + wait_ms : 0 })
  }

  /** Messages of a day that were counted and not sent. */
  givenBack(source: string, counter: string, day: number, unused: number): void {
    const heard = this.of(source, counter)
    if (heard.day !== day) return
    this.heard.set(keyOf(source, counter), { ...heard, used: Math.max(0, heard.used - unused), pacedUntil: 0 })
  }

  /** Messages used of a day. */
  used(source: string, counter: string, day: number): number {
    const heard = this.of(source, counter)
    return heard.day === day ? heard.used : 0
  }

  /** ms since 1970; where it is past, the next message may go, and is the only one for a while; 0 = there is room. */
  pacedUntil(source: string, counter: string): number {
    return this.of(source, counter).pacedUntil
  }

  private of(source: string, counter: string): Heard {
    return this.heard.get(keyOf(source, counter)) ?? unheard
  }
}
