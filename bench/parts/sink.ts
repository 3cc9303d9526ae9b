// Where a benchmark's mail ends: counts messages and tells when the last has come.

import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { Child } from './process'

export interface Taken {
  /** ms from the first message to the last. */
  readonly ms: number
  readonly mostOpen: number
  readonly connections: number
}

export class Sink {
  private constructor(
    private readonly child: Child,
    readonly port: number,
  ) {}

  static async start(roundTripMs: number, tls: boolean, order = false): Promise<Sink> {
    const script = path.join(__dirname, 'sink-process.js')
    const told = [String(roundTripMs), tls ? 'tls' : 'plain', ...(order ? ['order'] : [])]
    const child = Child.start(process.execPath, [script, ...told])
    const [, port] = await child.said(/PORT (\d+)/)
    return new Sink(child, Number(port))
  }

  get messages(): number {
    return Number(this.child.last(/MESSAGES (\d+)/)?.[1] ?? 0)
  }

  /** Of mail to userN@closed.test, where it follows that. */
  get order(): { readonly seen: number; readonly again: number; readonly behind: number; readonly mean: number } {
    const [, seen, again, behind, sum] = this.child.last(/SEEN (\d+) AGAIN (\d+) BEHIND (\d+) SUM (\d+)/) ?? []
    return { seen: Number(seen), again: Number(again), behind: Number(behind), mean: Number(sum) / Number(seen) }
  }

  /** Waits for `count` messages more than `from`. */
  async take(from: number, count: number, timeoutMs: number): Promise<Taken> {
    const deadline = Date.now() + timeoutMs
    let begun: number | undefined
    for (;;) {
      const { messages } = this
      if (messages > from) begun ??= performance.now()
      if (messages >= from + count) break
      if (Date.now() > deadline) throw new Error(`${messages - from} of ${count} messages came in ${timeoutMs} ms`)
      await pause(5)
    }
    const [, connections, mostOpen] = this.child.last(/CONNECTIONS (\d+) MOST (\d+)/) ?? []
    return { ms: performance.now() - (begun ?? 0), mostOpen: Number(mostOpen), connections: Number(connections) }
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGTERM')
  }
}
