// Where an operator has moved a mail to, instead of the pools of its stream.

export interface Move {
  readonly pool: string
  /** Absent: any of the pool. */
  readonly source?: string
}
