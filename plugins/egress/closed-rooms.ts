// Where mails wait for which every source of every pool is closed: suspended, without weight, a broken relay, a lane
// that is blocked. One FIFO for all that would choose alike. They are not failed; they go when a new routing document,
// a new configuration or time opens a source.

import { Fifo } from '@sluice/core/admission/fifo'

import type { Candidate } from './candidate'

export class ClosedRooms {
  private readonly rooms = new Map<string, Fifo<Candidate>>()

  get size(): number {
    let size = 0
    for (const room of this.rooms.values()) size += room.size
    return size
  }

  /** @param heldBy what holds it at the moment and not others like it: such a mail must not stand in their way */
  add(candidate: Candidate, heldBy = ''): void {
    const { provider = '', families = 0 } = candidate.destination ?? {}
    const { stream, bound, moved } = candidate
    const to = moved ? `${moved.pool}/${moved.source ?? ''}` : ''
    const key = `${stream}|${families}|${provider}|${bound}|${to}|${heldBy}`
    let room = this.rooms.get(key)
    if (!room) this.rooms.set(key, (room = new Fifo()))
    room.push(candidate)
  }

  /** The first of each room. */
  *heads(): Iterable<Candidate> {
    for (const room of this.rooms.values()) {
      const first = room.peek()
      if (first) yield first
    }
  }

  /** Takes the mails out that `leaves` names; the others keep their order. */
  remove(leaves: (candidate: Candidate) => boolean): Candidate[] {
    const removed: Candidate[] = []
    for (const [key, room] of [...this.rooms]) {
      for (const one of room.drain()) {
        if (leaves(one)) removed.push(one)
        else room.push(one)
      }
      if (room.size === 0) this.rooms.delete(key)
    }
    return removed
  }

  /** The mails of each room, oldest first; nothing may change while they are read. */
  [Symbol.iterator](): Iterator<Iterable<Candidate>> {
    return this.rooms.values()
  }

  /**
   * Asks each room's mails, oldest first, until one finds no source. `leaves` says whether it has found one; one that
   * something else holds now waits in another room.
   */
  retry(leaves: (candidate: Candidate) => boolean, heldBy: (candidate: Candidate) => string = () => ''): void {
    for (const [key, room] of [...this.rooms]) {
      for (let first = room.peek(); first; first = room.peek()) {
        if (!leaves(first)) {
          const other = heldBy(first)
          if (key.endsWith(`|${other}`)) break
          this.add(first, other)
        }
        room.shift()
      }
      if (room.size === 0) this.rooms.delete(key)
    }
  }

  /** Takes everybody out. */
  drain(): Candidate[] {
    const all = [...this.rooms.values()].flatMap((room) => room.drain())
    this.rooms.clear()
    return all
  }
}
