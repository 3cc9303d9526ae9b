// The spool folder as the ingester sees it: which sealed segments wait, oldest first, and which are still open. It
// reads names as a stream and keeps a page of the oldest ones, so a folder of any size costs the same memory.

import { watch, type FSWatcher } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import path from 'node:path'

import { parseSegmentName } from '@sluice/core/spool/segment'

/** A sealed segment that waits. */
export interface Waiting {
  /** File name; also the deduplication token. */
  readonly name: string
  readonly bytes: number
  /** When its last line was written, ms since 1970. */
  readonly writtenAt: number
}

export interface Page {
  /** The oldest, in order; at most as many as asked for. */
  readonly oldest: readonly Waiting[]
  /** All that wait. */
  readonly segments: number
  readonly bytes: number
  /** Names of open segments, of live and dead writers. */
  readonly open: readonly string[]
}

const atOnce = 64
/** More open segments than this wait for the next look. */
const mostOpen = 10_000

export const isSealed = (name: string): boolean => parseSegmentName(name)?.sealed === true

/** A look into the folder. */
export const readSpool = async (folder: string, pageSize: number): Promise<Page> => {
  let oldest: Waiting[] = []
  let segments = 0
  let bytes = 0
  const open: string[] = []
  const trim = (): void => {
    oldest.sort(byAge)
    oldest = oldest.slice(0, pageSize)
  }
  const take = async (names: readonly string[]): Promise<void> => {
    for (const segment of await Promise.all(names.map((name) => measure(folder, name)))) {
      if (!segment) continue
      segments += 1
      bytes += segment.bytes
      oldest.push(segment)
    }
    if (oldest.length >= 2 * pageSize) trim()
  }
  const names: string[] = []
  for await (const { name } of await opendir(folder, { bufferSize: 1024 })) {
    const parts = parseSegmentName(name)
    if (!parts) continue
    if (!parts.sealed) {
      if (open.length < mostOpen) open.push(name)
      continue
    }
    names.push(name)
    if (names.length >= atOnce) await take(names.splice(0))
  }
  await take(names)
  trim()
  return { oldest, segments, bytes, open }
}

const byAge = (a: Waiting, b: Waiting): number => a.writtenAt - b.writtenAt || (a.name < b.name ? -1 : 1)

/** Undefined where somebody removed it meanwhile, or where it is no file. */
const measure = async (folder: string, name: string): Promise<Waiting | undefined> => {
  try {
    const file = await stat(path.join(folder, name))
    return file.isFile() ? { name, bytes: file.size, writtenAt: file.mtimeMs } : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Wakes whoever waits when a segment is sealed; where watching is not possible the caller's own interval does. */
export class SpoolWatch {
  #watcher: FSWatcher | undefined
  #changed = false
  #wake: (() => void) | undefined

  constructor(folder: string) {
    try {
      this.#watcher = watch(folder, (_, name) => {
        if (name === null || isSealed(name)) this.nudge()
      })
      this.#watcher.on('error', () => this.close())
    } catch {
      // No inotify watches left, or a file system without them: the interval is the fallback.
      this.#watcher = undefined
    }
  }

  nudge(): void {
    this.#changed = true
    this.#wake?.()
  }

  /** Settles when something changed since the last call, after `ms`, or when `signal` is aborted. */
  async change(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
        signal.addEventListener('abort', this.#wake, { once: true })
      })
      if (this.#wake) signal.removeEventListener('abort', this.#wake)
      this.#wake = undefined
    }
    this.#changed = false
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }
}
