// A first-in first-out list on a circular buffer: constant time at both ends however long it is (Array.shift is not).

export class Deque<T> {
  #slots: (T | undefined)[] = new Array<T | undefined>(8)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#resize(this.#size * 2)
    this.#slots[(this.#head + this.#size) % this.#slots.length] = item
    this.#size++
  }

  first(): T | undefined {
    return this.#slots[this.#head]
  }

  last(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[(this.#head + this.#size - 1) % this.#slots.length]
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) % this.#slots.length
    this.#size--
    // What a long backlog had taken is given back.
    if (this.#slots.length > 64 && this.#size < this.#slots.length / 4) this.#resize(this.#slots.length / 2)
    return item
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.#size; index++) {
      yield this.#slots[(this.#head + index) % this.#slots.length] as T
    }
  }

  #resize(capacity: number): void {
    const items = [...this]
    this.#slots = items
    this.#slots.length = capacity
    this.#head = 0
  }
}
