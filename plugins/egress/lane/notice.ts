// What workers tell each other about lanes, on the lease channel. A lease was given back: in a lane that was full
// (`freed`), or where the provider's total was full, so that any of its lanes may have waited for it (`vacated`). Or a
// worker could not get the leases it wanted, for the lane's limit (`wanted`) or for the total (`crowded`). The scripts
// write them.

export interface Given {
  readonly kind: 'freed' | 'vacated'
  readonly lane: string
}

export interface Missed {
  readonly kind: 'wanted' | 'crowded'
  readonly lane: string
  readonly worker: string
  /** Leases it could not get. */
  readonly missing: number
}

export type Notice = Given | Missed

const missed = /^(wanted|crowded) (\d{1,6}) (\S{1,200}) (.+)$/s
const given = /^(freed|vacated) (.+)$/s

/** Who asks, as the admission script tells it. */
export const asker = (worker: string, lane: string): string => `${worker} ${lane}`

/** undefined for what is no notice. */
export const readNotice = (text: string): Notice | undefined => {
  const want = missed.exec(text)
  if (want) {
    const [, kind, missing, worker = '', lane = ''] = want
    return { kind: kind === 'wanted' ? 'wanted' : 'crowded', missing: Number(missing), worker, lane }
  }
  const give = given.exec(text)
  return give ? { kind: give[1] === 'freed' ? 'freed' : 'vacated', lane: give[2] ?? '' } : undefined
}
