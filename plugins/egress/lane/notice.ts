// What workers tell each other about lanes, on the lease channel: a lease was given back, or a worker waits for some.

export type Notice =
  | { readonly kind: 'freed'; readonly lane: string }
  | {
      readonly kind: 'wanted'
      readonly lane: string
      readonly worker: string
      /** Leases it could not get. */
      readonly missing: number
    }

const wanted = /^wanted (\d{1,6}) (\S{1,200}) (.+)$/s
const freed = /^freed (.+)$/s

export const freedNotice = (lane: string): string => `freed ${lane}`

/** The script fills in how many are missing. */
export const wantedNotice = (worker: string, lane: string): readonly [string, string] => [
  'wanted ',
  ` ${worker} ${lane}`,
]

/** undefined for what is no notice. */
export const readNotice = (text: string): Notice | undefined => {
  const want = wanted.exec(text)
  if (want) return { kind: 'wanted', missing: Number(want[1]), worker: want[2] ?? '', lane: want[3] ?? '' }
  const free = freed.exec(text)
  return free ? { kind: 'freed', lane: free[1] ?? '' } : undefined
}
