// Something kept on an object that is not ours, for as long as that lives. A WeakMap would say the same, but its values
// are strong to V8's young collections: with one entry per message, every message would be copied once more.

export class Attached<Owner extends object, Value> {
  private readonly key = Symbol('sluice')

  get(owner: Owner): Value | undefined {
    return (owner as Record<symbol, Value | undefined>)[this.key]
  }

  set(owner: Owner, value: Value): void {
    ;(owner as Record<symbol, Value | undefined>)[this.key] = value
  }

  /** The property stays, empty: an object that loses a property becomes slow. */
  delete(owner: Owner): void {
    if (this.get(owner) !== undefined) (owner as Record<symbol, Value | undefined>)[this.key] = undefined
  }
}
