// The whole of ingestion killed at random moments, again and again: in the end every line is in ClickHouse exactly
// once, in the table and in the rollup.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

import { afterAll, describe, expect, it } from 'vitest'

import { outcome, seal } from './segments'

const rounds = 12
const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true, maxRetries: 5 }))))

interface Told {
  readonly engine?: number
  readonly up?: true
  readonly counts?: Record<string, string>
}

/** A child and all it has said. */
class Sidecar {
  readonly child: ChildProcess
  readonly #told: Told[] = []
  readonly #gone: Promise<unknown>

  constructor(args: readonly string[]) {
    this.child = fork(path.join(__dirname, 'sidecar.cjs'), args, { execArgv: [] })
    this.child.on('message', (told: Told) => this.#told.push(told))
    this.#gone = once(this.child, 'exit')
  }

  /** What it said of this, or says next. */
  async tell<K extends keyof Told>(key: K): Promise<Told[K]> {
    for (;;) {
      const found = this.#told.find((told) => told[key] !== undefined)
      if (found) return found[key]
      const left = this.#gone.then(() => Promise.reject(new Error('the sidecar ended by itself')))
      await Promise.race([once(this.child, 'message'), left])
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal)
    await this.#gone
  }
}

/** Seeded, so that a failure can be repeated. */
const dice = (seed: number) => (): number => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return seed / 2_147_483_648
}

describe.each([
  ['read by the engine', 'infile'],
  ['streamed', 'stream'],
])('segments %s', (_, way) => {
  it(`are ingested exactly once over ${rounds} kills`, { timeout: 180_000 }, async () => {
    const seed = Date.now() % 100_000
    const roll = dice(seed)
    const base = await mkdtemp(path.join(tmpdir(), 'sluice-kill-'))
    folders.push(base)
    const spool = path.join(base, 'spool')
    let lines = 0
    let segments = 0
    const write = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) {
        const size = 1 + Math.floor(roll() * 400)
        // Some segments span days: several partitions, several parts.
        const records = Array.from({ length: size }, () =>
          outcome({ at: Date.now() - Math.floor(roll() * 3) * 86_400_000 }),
        )
        await seal(spool, records)
        lines += size
        segments += 1
      }
    }
    const begin = (): Sidecar => new Sidecar([path.join(base, 'engine'), spool, way])

    for (let round = 0; round < rounds; round += 1) {
      await write(6)
      const sidecar = begin()
      const engine = await sidecar.tell('engine')
      // Every third dies while it opens the database, the others while they ingest.
      const early = round % 3 === 0
      if (!early) await sidecar.tell('up')
      await Promise.all([after(roll() * 250), write(3)])
      // Sometimes it is the engine that is killed, under a sidecar that goes on and is killed a moment later.
      if (!early && round % 2 === 0 && engine !== undefined) {
        process.kill(engine, 'SIGKILL')
        await after(roll() * 400)
      }
      await sidecar.end('SIGKILL')
    }

    const last = begin()
    await last.tell('up')
    last.child.send('drain')
    const counts = await last.tell('counts')
    await last.end('SIGTERM')
    expect({ seed, ...counts }).toEqual({
      seed,
      rows: String(lines),
      ids: String(lines),
      rollup: String(lines),
      named: String(segments),
      segments: String(segments),
    })
    expect(await readdir(spool)).toEqual(['quarantine'])
  })
})
