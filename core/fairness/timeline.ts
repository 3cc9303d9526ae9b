// Parked mail of one tenant and priority, the oldest first by queue time; equal times keep the order of arrival. Mail
// arrives in order almost always, which costs constant time; what arrives late (after a restart, moved by an operator)
// goes through a small heap. A removed item is only marked and skipped later.

import { Deque } from './deque'

export interface Timed {
  /** ms since 1970 */
  readonly queued: number
  /** Order of arrival. */
  readonly sequence: number
  removed: boolean
}

const before = (a: Timed, b: Timed): boolean =>
  a.queued < b.queued || (a.queued === b.queued && a.sequence < b.sequence)

export class Timeline<T extends Timed> {
  /** Whether it takes turns in a round robin. */
  joined = false
  #inOrder = new Deque<T>()
  #late: T[] = []
  #live = 0
  #dead = 0

  /** Items that are not removed. */
  get size(): number {
    return this.#live
  }

  push(item: T): void {
    this.#live++
    const last = this.#inOrder.last()
    if (last === undefined || !before(item, last)) this.#inOrder.push(item)
    else this.#sink(item)
  }

  /** The oldest. */
  first(): T | undefined {
    for (;;) {
      const item = this.#oldest()
      if (item?.removed !== true) return item
      this.#drop(item)
      this.#dead--
    }
  }

  shift(): T | undefined {
    const item = this.first()
    if (item !== undefined) {
      this.#drop(item)
      this.#live--
    }
    return item
  }

  /** Marks an item of this timeline as gone. */
  remove(item: T): void {
    if (item.removed) return
    item.removed = true
    this.#live--
    this.#dead++
    // What an operator has taken out of the middle must not be held until the front gets there.
    if (this.#dead > 64 && this.#dead > this.#live) this.#compact()
  }

  /** What is not removed, in no particular order. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const item of this.#inOrder) if (!item.removed) yield item
    for (const item of this.#late) if (!item.removed) yield item
  }

  #oldest(): T | undefined {
    const first = this.#inOrder.first()
    const late = this.#late[0]
    return first === undefined || (late !== undefined && before(late, first)) ? late : first
  }

  #drop(item: T): void {
    if (this.#inOrder.first() === item) this.#inOrder.shift()
    else this.#rise()
  }

  #compact(): void {
    const live = [...this].toSorted((a, b) => (before(a, b) ? -1 : 1))
    this.#inOrder = new Deque<T>()
    this.#late = []
    this.#dead = 0
    for (const item of live) this.#inOrder.push(item)
  }

  #sink(item: T): void {
    const heap = this.#late
    let index = heap.push(item) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as T
      if (!before(item, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = item
  }

  /** Takes the top off the heap. */
  #rise(): void {
    const heap = this.#late
    const item = heap.pop()
    if (item === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as T, heap[child] as T)) child++
      const below = heap[child] as T
      if (!before(below, item)) break
      heap[index] = below
      index = child
    }
    heap[index] = item
  }
}
