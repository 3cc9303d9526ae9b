// What the spool gives up when it runs out of room: the least valuable kinds first, and never mail. Kinds that tell
// why a message or a source is in trouble go last.

import type { OutcomeKind } from '../outcome/record'

export interface Room {
  /** Bytes in the spool folder, and the most there may be. */
  readonly used: number
  readonly max: number
  /** Bytes free on its disk, and the least that must stay free. */
  readonly free: number
  readonly minFree: number
}

/** From which pressure on a kind is dropped; the rest at 1. */
const droppedFrom: Readonly<Partial<Record<OutcomeKind, number>>> = {
  accepted: 0.8,
  tried: 0.8,
  opened: 0.85,
  clicked: 0.85,
  delivered: 0.9,
  deferred: 0.95,
}

/**
 * How full the spool is: 0 = empty, 1 = not one record more. The disk begins to press when less than twice the space
 * that must stay free is left.
 */
export const pressureOf = ({ used, max, free, minFree }: Room): number => {
  const bySize = used / max
  const byDisk = minFree > 0 ? 2 - free / minFree : 0
  return Math.min(1, Math.max(0, bySize, byDisk))
}

/** Whether records of this kind are dropped at this pressure. */
export const drops = (kind: OutcomeKind, pressure: number): boolean => pressure >= (droppedFrom[kind] ?? 1)
