// Names of spool segments. A worker appends outcome lines to one open segment and seals it by rename; a sealed
// segment never changes, and its name is the deduplication token of its insert.
//
//   open    <host>-<worker>-<start ms>-<sequence>.open
//   sealed  <host>-<worker>-<start ms>-<sequence>.ndjson
//
// Sealed names sort by writer and then by age. `host` and `worker` are [A-Za-z0-9._] only.

export interface SegmentName {
  readonly host: string
  readonly worker: string
  /** When the writer's process started, ms since 1970: tells two lives of the same pid apart. */
  readonly started: number
  readonly sequence: number
  readonly sealed: boolean
}

/** A segment is sealed at whichever of these it reaches first. */
export const segmentLimits = { ageMs: 1000, lines: 10_000, bytes: 8 * 1024 * 1024 } as const

const form = /^([A-Za-z0-9._]+)-([A-Za-z0-9._]+)-(\d{13})-(\d{8})\.(open|ndjson)$/

const clean = (part: string): string => part.replace(/[^A-Za-z0-9._]/g, '_').slice(0, 64) || '_'

export const segmentName = (name: SegmentName): string =>
  [
    clean(name.host),
    clean(name.worker),
    String(name.started).padStart(13, '0'),
    String(name.sequence).padStart(8, '0'),
  ].join('-') + (name.sealed ? '.ndjson' : '.open')

/** The parts of a file name, or undefined where it is not a segment's. */
export const parseSegmentName = (file: string): SegmentName | undefined => {
  const parts = form.exec(file)
  if (!parts) return undefined
  const [, host = '', worker = '', started = '', sequence = '', state] = parts
  return { host, worker, started: Number(started), sequence: Number(sequence), sealed: state === 'ndjson' }
}
