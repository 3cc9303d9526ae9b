// The weighted choice of an egress source, with its propensity. A lottery is prepared once per pool and provider and
// drawn from for every message; closed sources are left out and the rest re-normalised, so a propensity is always the
// probability with which that source was really chosen.

import type { EffectiveWeight } from './effective'

export interface Lottery {
  readonly sources: readonly string[]
  /** Running totals of the weights, same order as `sources`; sources without weight are not in it. */
  readonly totals: readonly number[]
}

export interface Draw {
  readonly source: string
  /** 0..1] */
  readonly propensity: number
}

export const prepareLottery = (weights: readonly EffectiveWeight[]): Lottery => {
  const sources: string[] = []
  const totals: number[] = []
  let total = 0
  for (const { source, weight } of weights) {
    if (!(weight > 0)) continue
    total += weight
    sources.push(source)
    totals.push(total)
  }
  return { sources, totals }
}

/**
 * Draws one source. `dice` is uniform in [0, 1). `closed` names sources to leave out.
 * @returns undefined where no source is left
 */
export const draw = (lottery: Lottery, dice: number, closed?: ReadonlySet<string>): Draw | undefined => {
  const { sources, totals } = lottery
  if (closed !== undefined && closed.size > 0) return drawOpen(lottery, dice, closed)
  const total = totals.at(-1)
  if (total === undefined) return undefined

  const aim = dice * total
  let low = 0
  let high = totals.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((totals[middle] ?? 0) > aim) high = middle
    else low = middle + 1
  }
  return { source: sources[low] ?? '', propensity: weightAt(totals, low) / total }
}

const weightAt = (totals: readonly number[], index: number): number =>
  (totals[index] ?? 0) - (index > 0 ? (totals[index - 1] ?? 0) : 0)

const drawOpen = ({ sources, totals }: Lottery, dice: number, closed: ReadonlySet<string>): Draw | undefined => {
  let total = 0
  for (let index = 0; index < sources.length; index++) {
    if (!closed.has(sources[index] ?? '')) total += weightAt(totals, index)
  }
  let rest = dice * total
  let last: Draw | undefined
  for (let index = 0; index < sources.length; index++) {
    const source = sources[index] ?? ''
    if (closed.has(source)) continue
    const weight = weightAt(totals, index)
    last = { source, propensity: weight / total }
    rest -= weight
    if (rest < 0) return last
  }
  // Rounding can leave a grain of `rest` behind the last open source.
  return last
}
