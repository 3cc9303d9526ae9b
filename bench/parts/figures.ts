// How benchmarks compare: rivals take turns, so that what else the machine does hits all alike; the median counts.

interface Measured {
  readonly bench: string
  readonly ours: number
  /** The rival, or `limit`. */
  readonly against: string
  readonly theirs: number
  readonly unit: string
}

export interface Figure extends Measured {
  /** Above 1 where ours is better. */
  readonly ratio: number
}

/** @param better what is better of the unit: messages/s are better the more they are, us the less */
export const figure = (better: 'more' | 'less', { bench, ours, against, theirs, unit }: Measured): Figure => {
  const ratio = better === 'more' ? ours / theirs : theirs / Math.max(ours, 1e-6)
  return { bench, ours: rounded(ours), against, theirs: rounded(theirs), ratio: Number(ratio.toFixed(2)), unit }
}

/** Figures are the last line of a benchmark. */
export const sayFigures = (figures: readonly Figure[]): void => console.log(JSON.stringify(figures))

const rounded = (value: number): number => Number(value.toFixed(value < 100 ? 3 : 0))

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

export interface Rival {
  readonly name: string
  /** One run; messages per second. */
  readonly run: () => Promise<number>
}

/** Runs all rivals `rounds` times, in turn; every single result is printed. */
export const compete = async (rivals: readonly Rival[], rounds: number): Promise<Map<string, number[]>> => {
  const results = new Map(rivals.map(({ name }) => [name, [] as number[]]))
  for (let round = 1; round <= rounds; round++) {
    for (const { name, run } of rivals) {
      const result = await run()
      results.get(name)?.push(result)
      console.log(`round ${round}: ${name.padEnd(10)} ${result.toFixed(0)} messages/s`)
    }
  }
  return results
}

/** Prints medians, and the figures as the last line. */
export const conclude = (bench: string, ours: string, results: Map<string, number[]>): void => {
  const mine = median(results.get(ours) ?? [])
  const figures: Figure[] = []
  for (const [name, values] of results) {
    const theirs = median(values)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    console.log(
      `${name.padEnd(10)} median ${theirs.toFixed(0)} messages/s (${low.toFixed(0)} to ${high.toFixed(0)}, n=${values.length})`,
    )
    if (name === ours) continue
    // With all limits on, ours competes with itself.
    const sides =
      name === 'limits'
        ? { ours: theirs, against: 'without limits', theirs: mine }
        : { ours: mine, against: name, theirs }
    figures.push(figure('more', { bench, ...sides, unit: 'messages/s' }))
  }
  sayFigures(figures)
}
