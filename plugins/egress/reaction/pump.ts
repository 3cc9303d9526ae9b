// Runs an asynchronous step as long as it finds something to do, one at a time: work that comes meanwhile is seen by
// the step that follows.

export class Pump {
  private running = false
  private again = false

  /** @param step answers whether there may be more to do; must not reject */
  constructor(private readonly step: () => Promise<boolean>) {}

  run(): void {
    this.again = true
    if (!this.running) void this.loop()
  }

  private async loop(): Promise<void> {
    this.running = true
    while (this.again) {
      this.again = false
      if (await this.step()) this.again = true
    }
    this.running = false
  }
}
