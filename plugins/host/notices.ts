// A notice that one plugin gives and others take. A listener's fault never reaches whoever gave it.

export class Notices<T> {
  private readonly listeners: ((notice: T) => void)[] = []

  /** @param complain called with a listener's exception */
  constructor(private readonly complain: (thrown: unknown) => void) {}

  listen(listener: (notice: T) => void): void {
    this.listeners.push(listener)
  }

  tell(notice: T): void {
    for (const listener of this.listeners) {
      try {
        listener(notice)
      } catch (thrown) {
        this.complain(thrown)
      }
    }
  }
}
