// Work that is done over and over: every so often, and whenever somebody asks; one round at a time. The work catches
// what can go wrong with it: a round never rejects.

export class Rounds {
  /** A long round looks at it between its steps. */
  stopped = false
  private timer: NodeJS.Timeout | undefined
  private running: Promise<void> | undefined

  constructor(
    private readonly work: () => Promise<void>,
    private readonly everyMs: number,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.round(), this.everyMs)
  }

  /** Begins a round, or waits for the one that runs. */
  round(): Promise<void> {
    this.running ??= this.work().finally(() => {
      this.running = undefined
    })
    return this.running
  }

  /** No round begins after it; settles when the last one is over. */
  async stop(): Promise<void> {
    this.stopped = true
    clearInterval(this.timer)
    await this.running
  }
}
