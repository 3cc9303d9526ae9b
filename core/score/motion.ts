// How a weight moves towards what the evidence asks for: quickly down, slowly up, not at all for small differences,
// and never below the share kept for exploration, by which a recovery is noticed. Steps are bounded per second, not
// per round, so the pace does not depend on how often somebody scores.

import type { MotionParameters } from './parameters'

export interface Moved {
  /** 0..1, in force from now on. */
  readonly multiplier: number
  /** Why it is where it is. */
  readonly because: 'best' | 'steady' | 'falling' | 'rising' | 'floor'
}

/** Smallest multiplier, so that a source never vanishes from the choice by score alone. */
const least = 0.001

/**
 * Multiplier that leaves a source the part `explore` of its base share, when its neighbours keep theirs whole.
 * @param share base share of the pool, 0..1
 */
export const floorFor = (share: number, explore: number): number =>
  Math.min(1, Math.max(least, (explore * (1 - share)) / (1 - explore * share)))

/**
 * One step of a multiplier.
 * @param current in force, 0..1
 * @param target asked for by the evidence, 0..1
 * @param floor smallest multiplier
 * @param elapsed_s seconds since the last step, >= 0
 */
export const move = (
  current: number,
  target: number,
  floor: number,
  elapsed_s: number,
  { hysteresis, double_s, halve_s }: MotionParameters,
): Moved => {
  const band = 1 + hysteresis
  // Within the band of the best there is nothing to correct: such sources go by their base weight alone.
  const aim = target * band >= 1 ? 1 : Math.max(floor, target)
  if (aim < 1 && aim < current * band && current < aim * band) {
    return { multiplier: current, because: current <= floor ? 'floor' : 'steady' }
  }
  if (aim < current) {
    const multiplier = Math.max(aim, current * 2 ** (-elapsed_s / halve_s))
    return { multiplier, because: multiplier <= floor ? 'floor' : 'falling' }
  }
  if (current >= 1) return { multiplier: 1, because: 'best' }
  const multiplier = Math.min(aim, Math.max(current, floor) * 2 ** (elapsed_s / double_s))
  return { multiplier, because: multiplier >= 1 ? 'best' : 'rising' }
}
