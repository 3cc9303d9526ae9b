// How benchmarks compare: rivals take turns, so that what else the machine does hits all alike; the median counts.

export interface Figure {
  readonly bench: string
  readonly ours: number
  readonly against: string
  readonly theirs: number
  readonly ratio: number
  readonly unit: string
}

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
    const figure = name === 'limits' ? compare(theirs, 'without limits', mine) : compare(mine, name, theirs)
    figures.push({ bench, ...figure })
  }
  console.log(JSON.stringify(figures))
}

const compare = (ours: number, against: string, theirs: number) => ({
  ours: Math.round(ours),
  against,
  theirs: Math.round(theirs),
  ratio: Number((ours / theirs).toFixed(2)),
  unit: 'messages/s',
})
