// How often the engine was started again: it keeps itself alive, so its process id is what tells.

import type { Database } from '../database'

/** Counts the processes the engine has been, after the first. */
export class Restarts {
  count = 0
  private pid: number | undefined
  private readonly timer: NodeJS.Timeout

  constructor(database: Database) {
    this.pid = database.engine?.pid
    this.timer = setInterval(() => {
      const { engine } = database
      if (!engine || engine.pid === this.pid) return
      this.pid = engine.pid
      this.count += 1
    }, 500)
  }

  stop(): void {
    clearInterval(this.timer)
  }
}
