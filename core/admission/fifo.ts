// A first-in first-out queue that stays cheap with a hundred thousand waiting: an array and the place of its head.
// Nothing is moved until half of the array is empty, so push and shift are O(1) on average.

const smallestCut = 1024

export class Fifo<T> {
  private items: (T | undefined)[] = []
  private head = 0

  get size(): number {
    return this.items.length - this.head
  }

  push(item: T): void {
    this.items.push(item)
  }

  /** Takes the oldest out; undefined where none is left. */
  shift(): T | undefined {
    if (this.head === this.items.length) return undefined
    const item = this.items[this.head]
    this.items[this.head] = undefined
    this.head++
    if (this.head > smallestCut && this.head * 2 > this.items.length) this.cut()
    return item
  }

  peek(): T | undefined {
    return this.items[this.head]
  }

  /** Everything in it, oldest first. Nothing may change while it is read. */
  *[Symbol.iterator](): Iterator<T> {
    for (let place = this.head; place < this.items.length; place++) yield this.items[place] as T
  }

  /** Takes everything out, oldest first. */
  drain(): T[] {
    const all = this.items.slice(this.head) as T[]
    this.items = []
    this.head = 0
    return all
  }

  private cut(): void {
    this.items = this.items.slice(this.head)
    this.head = 0
  }
}
