// What a lane has accepted in the last minute, second by second: the figure from which a hidden rate is learnt. Plain
// data; a worker keeps its own, and meters of several workers add up.

import { minute, second } from '../shaping/rate'

export interface Meter {
  /** Second (since 1970) of the last entry of `counts`. */
  readonly second: number
  /** Accepted messages per second, the last 60 s, oldest first. */
  readonly counts: readonly number[]
}

export const emptyMeter: Meter = { second: 0, counts: [] }

const length = minute / second

export const meterAccepted = (meter: Meter, now: number, count = 1): Meter => {
  const shift = shiftTo(meter, now)
  const counts = [...kept(meter, shift), ...Array<number>(shift).fill(0)]
  const last = Math.max(0, counts.length - 1)
  counts[last] = (counts[last] ?? 0) + count
  return { second: Math.max(meter.second, Math.floor(now / second)), counts }
}

/** Messages accepted in the 60 s before `now`. */
export const acceptedInMinute = (meter: Meter, now: number): number =>
  kept(meter, shiftTo(meter, now)).reduce((sum, one) => sum + one, 0)

/** Seconds that have passed, at most a minute; a clock that went back counts into the last second known. */
const shiftTo = (meter: Meter, now: number): number =>
  Math.min(length, Math.max(0, Math.floor(now / second) - meter.second))

const kept = ({ counts }: Meter, shift: number): readonly number[] =>
  counts.slice(Math.max(0, counts.length + shift - length))
