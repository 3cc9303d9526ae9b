// Deficit round robin (Shreedhar and Varghese, 1995): whoever has something takes turns; at each turn credit grows by
// the weight, and is spent on what is taken. Shares are proportional to weights whatever the items cost, nobody
// starves, and a turn costs constant time. Credit is not kept by those who have nothing.

import { Deque } from './deque'

/** Something to take from, such as a queue or another round robin. */
export interface Lot<T> {
  readonly size: number
  /** Whether it takes turns: the mark of its round robin. */
  joined: boolean
  /** What would be taken next; the same until it is taken, or removed. */
  first(): T | undefined
  shift(): T | undefined
}

interface Turn<L> {
  readonly lot: L
  readonly weight: () => number
  credit: number
  /** Credit was given for the turn under way. */
  begun: boolean
}

/** So light that finding the next item can take this many turns of everybody: no lighter. */
const lightest = 0.05

export class RoundRobin<T, L extends Lot<T>> implements Lot<T> {
  readonly #turns = new Deque<Turn<L>>()
  readonly #costOf: (item: T) => number
  readonly #left: (lot: L) => void
  joined = false

  /** `left` is told of a lot that takes no more turns because it has nothing. */
  constructor(costOf: (item: T) => number, left: (lot: L) => void = () => undefined) {
    this.#costOf = costOf
    this.#left = left
  }

  get size(): number {
    let size = 0
    for (const { lot } of this.#turns) size += lot.size
    return size
  }

  /** Lets a lot take turns; one that takes them already changes nothing. Call it when the lot has got something. */
  join(lot: L, weight: () => number): void {
    if (lot.joined) return
    lot.joined = true
    this.#turns.push({ lot, weight, credit: 0, begun: false })
  }

  first(): T | undefined {
    return this.#next()?.lot.first()
  }

  shift(): T | undefined {
    const turn = this.#next()
    const item = turn?.lot.shift()
    if (turn === undefined || item === undefined) return undefined
    turn.credit -= this.#costOf(item)
    if (turn.lot.size === 0) this.#leave()
    return item
  }

  /** Whose turn it is and who can pay for it; the others go to the end with the credit they have gathered. */
  #next(): Turn<L> | undefined {
    for (;;) {
      const turn = this.#turns.first()
      if (turn === undefined) return undefined
      const item = turn.lot.first()
      if (item === undefined) {
        this.#leave()
        continue
      }
      if (!turn.begun) {
        turn.begun = true
        turn.credit += Math.max(lightest, turn.weight())
      }
      if (turn.credit >= this.#costOf(item)) return turn
      turn.begun = false
      this.#turns.shift()
      this.#turns.push(turn)
    }
  }

  #leave(): void {
    const turn = this.#turns.shift()
    if (turn === undefined) return
    turn.lot.joined = false
    this.#left(turn.lot)
  }
}
