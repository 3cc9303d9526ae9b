// Keeps one child process running for people who try things: when it ends unasked, says so with its last lines and
// starts it again, after a pause that doubles up to half a minute and is forgotten once it has run for a minute.
// In production this is systemd's or the container runtime's work.

import type { Child, Exit } from './child'

export interface KeeperOptions {
  readonly name: string
  /** Starts the process and answers once it is ready. */
  readonly launch: () => Promise<Child>
  readonly say: (text: string) => void
}

const pause = { firstMs: 500, longestMs: 30_000, forgottenAfterMs: 60_000 } as const
const linesShown = 8

export class Keeper {
  private current: Child | undefined
  private stopping = false
  private waiting: { readonly timer: NodeJS.Timeout; readonly wake: () => void } | undefined
  private starting: Promise<Child> | undefined
  private keeping: Promise<void> | undefined

  constructor(private readonly options: KeeperOptions) {}

  /** The process now, undefined between an unexpected end and the restart. */
  get child(): Child | undefined {
    return this.current?.running ? this.current : undefined
  }

  /** First start. @throws what `launch` throws; nothing is tried again then. */
  async start(): Promise<void> {
    this.starting = this.options.launch()
    this.current = await this.starting
    this.keeping = this.keep(this.current)
  }

  /** Ends the process for good. */
  async stop(signal: NodeJS.Signals, patienceMs: number): Promise<void> {
    this.stopping = true
    if (this.waiting) {
      clearTimeout(this.waiting.timer)
      this.waiting.wake()
    }
    // A start that failed has been told to whoever asked for it; what it started is ended there.
    await this.starting?.catch(() => undefined)
    await this.current?.stop(signal, patienceMs)
    await this.keeping
  }

  private async keep(first: Child): Promise<void> {
    let child = first
    let pauseMs: number = pause.firstMs
    for (;;) {
      const since = Date.now()
      const exit = await child.saidAll()
      if (this.stopping) return
      this.tellEnd(exit, child)
      if (Date.now() - since > pause.forgottenAfterMs) pauseMs = pause.firstMs
      const next = await this.relaunch(pauseMs)
      if (!next) return
      child = next
      pauseMs = Math.min(pauseMs * 2, pause.longestMs)
    }
  }

  /** Tries until it runs; undefined once we are asked to stop. */
  private async relaunch(firstPauseMs: number): Promise<Child | undefined> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, pause.longestMs)) {
      await this.sleep(pauseMs)
      if (this.isStopping()) return undefined
      try {
        this.current = await this.options.launch()
      } catch (error) {
        this.options.say(error instanceof Error ? error.message : String(error))
        continue
      }
      if (this.isStopping()) await this.current.stop()
      else this.options.say(`${this.options.name} runs again (pid ${this.current.pid})`)
      return this.current
    }
  }

  private isStopping(): boolean {
    return this.stopping
  }

  private sleep(ms: number): Promise<void> {
    if (this.stopping) return Promise.resolve()
    return new Promise((resolve) => {
      this.waiting = { timer: setTimeout(resolve, ms), wake: resolve }
    })
  }

  private tellEnd(exit: Exit, child: Child): void {
    const last = child.lastLines(linesShown).map((line) => `  | ${line}`)
    this.options.say([`${this.options.name} ended unexpectedly (${exit}); starting it again`, ...last].join('\n'))
  }
}
