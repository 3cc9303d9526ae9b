// Loads queue files into the delivery queue: the oldest first, few at a time, and no faster than mail leaves, so that
// 50,000 waiting files need neither their descriptors nor their memory at once.

import path from 'node:path'

import { messageOf } from '@sluice/core/errors'

import type { HarakaItem, Outbound, OutboundQueue, QueueFiles } from '../haraka'

/** Files being read at a time. */
const readers = 32
/** Mails loaded and waiting for a slot, at most. */
const waitingLimit = 2000
const recheckMs = 20

export class QueueLoader {
  private readonly files: string[] = []
  private next = 0
  private reading = 0
  private handedOn: Promise<void> = Promise.resolve()
  private recheck: NodeJS.Timeout | undefined

  constructor(
    private readonly outbound: Outbound,
    private readonly queue: OutboundQueue,
    private readonly complain: (text: string) => void,
  ) {}

  push(file: string): void {
    this.files.push(file)
    this.go()
  }

  private go(): void {
    while (this.reading < readers && this.next < this.files.length) {
      if (this.queue.delivery_queue.tasks.length >= waitingLimit) {
        this.recheck ??= setTimeout(() => {
          this.recheck = undefined
          this.go()
        }, recheckMs)
        return
      }
      const file = this.files[this.next]
      this.next++
      if (file !== undefined) void this.load(file)
    }
    if (this.next * 2 < this.files.length) return
    this.files.splice(0, this.next)
    this.next = 0
  }

  /** Reads side by side, hands on in order. */
  private async load(file: string): Promise<void> {
    this.reading++
    const read = this.item(file)
    const before = this.handedOn
    this.handedOn = this.handOn(file, read, before)
    await this.handedOn
    this.reading--
    this.go()
  }

  private async handOn(file: string, read: Promise<HarakaItem>, before: Promise<void>): Promise<void> {
    const [item] = await Promise.allSettled([read, before])
    if (item.status === 'fulfilled') this.queue.delivery_queue.push(item.value)
    else this.complain(`queue file ${file} is not loaded: ${messageOf(item.reason)}`)
  }

  private item(file: string): Promise<HarakaItem> {
    return new Promise((resolve, reject) => {
      const item = new this.outbound.HMailItem(file, path.join(this.queue.queue_dir, file))
      item.once('ready', () => resolve(item))
      item.once('error', (why: unknown) => reject(new Error(messageOf(why))))
    })
  }
}

/** Queue files in the order of their age. */
export const byAge = (files: readonly string[], qfile: QueueFiles): string[] =>
  files
    .map((file) => ({ file, arrival: qfile.parts(file)?.arrival ?? 0 }))
    .toSorted((a, b) => a.arrival - b.arrival)
    .map(({ file }) => file)

/** Runs `each` for all, at most `readers` at a time, in order. */
export const inTurn = async <A, B>(list: readonly A[], each: (one: A) => Promise<B>): Promise<B[]> => {
  const results: B[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < list.length) {
      const index = next++
      const one = list[index]
      if (one !== undefined) results[index] = await each(one)
    }
  }
  await Promise.all(Array.from({ length: Math.min(readers, list.length) }, worker))
  return results
}
