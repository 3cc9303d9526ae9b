// How one part of the sidecar is, as readiness and health tell it.

export interface PartState {
  readonly ok: boolean
  /** For people: what is wrong, or what it does. */
  readonly says: string
}
