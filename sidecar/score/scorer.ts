// The loop of judgement: read the evidence, take one step, publish when something visibly changed. Only the leader
// steps and publishes; the others answer for the scores without moving anything. A round that fails leaves the last
// weights as they are.

import { setTimeout as after } from 'node:timers/promises'

import { messageOf } from '@sluice/core/errors'
import { changesBetween, sayChanges, scoredPools } from '@sluice/core/score/publication'
import { multipliersAfter, multipliersOf, score, type Multipliers, type Score } from '@sluice/core/score/score'

import type { LiveConfiguration } from '../config/live'
import type { Database } from '../database'
import type { Log } from '../log'
import type { RoutingPublisher } from '../routing/publisher'
import { EvidenceReader, type ExplainedTally } from './evidence'

export interface ScorerOptions {
  readonly configuration: LiveConfiguration
  readonly database: Database
  readonly publisher: RoutingPublisher
  readonly leadership: { readonly leading: boolean }
  /** Who publishes, for the routing document. */
  readonly id: string
  readonly log: Log
  /** Told how long each round took, seconds. */
  readonly onRound?: (seconds: number, ok: boolean) => void
  readonly now?: () => number
}

/** What a score was made from, for people. */
export interface ScoreReport {
  /** ms since 1970 */
  readonly at: number
  readonly scores: readonly Score[]
  readonly tallies: readonly ExplainedTally[]
}

/** Smallest relative change of a weight worth a new routing document. */
const tolerance = 0.05
/** Longest time one step may account for, after a pause of the loop. Seconds. */
const longestStep = 60

export class Scorer {
  private readonly reader = new EvidenceReader()
  private readonly stopping = new AbortController()
  private readonly now: () => number
  private multipliers: Multipliers | undefined
  private steppedAt = 0
  private report_: ScoreReport = { at: 0, scores: [], tallies: [] }
  private trouble = ''
  private running: Promise<void> = Promise.resolve()

  constructor(private readonly options: ScorerOptions) {
    this.now = options.now ?? Date.now
  }

  start(): void {
    this.running = this.loop()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  /** ms since 1970 of the last round that ended well; 0 = none */
  get scoredAt(): number {
    return this.report_.at
  }

  /** Why the last round failed; empty where it did not. */
  get fault(): string {
    return this.trouble
  }

  /**
   * The scores in force with their inputs; made on the spot where another sidecar scores.
   * @throws SluiceError SLUICE_CLICKHOUSE_AWAY
   */
  async report(): Promise<ScoreReport> {
    const { score: parameters } = this.options.configuration.current.sidecar
    const fresh = this.now() - this.report_.at < 2 * parameters.interval_s * 1000
    if (fresh) return this.report_
    const { publisher, log } = this.options
    const document = await publisher.read().catch((error: unknown) => {
      log.debug({ error: messageOf(error) }, 'scores are shown with the last routing document seen')
      return publisher.last
    })
    return this.look(multipliersOf(document), 0)
  }

  private async loop(): Promise<void> {
    const { configuration } = this.options
    while (!this.stopping.signal.aborted) {
      await this.round()
      try {
        await after(configuration.current.sidecar.score.interval_s * 1000, undefined, { signal: this.stopping.signal })
      } catch {
        return // stopped while waiting
      }
    }
  }

  /** One round; never rejects. */
  async round(): Promise<void> {
    const { database, leadership, log, onRound } = this.options
    if (!leadership.leading || !database.client) {
      this.multipliers = undefined
      return
    }
    const began = performance.now()
    try {
      await this.step()
      if (this.trouble) log.info({}, 'scores again')
      this.trouble = ''
    } catch (error) {
      if (this.trouble !== messageOf(error)) log.warn({ error: messageOf(error) }, 'not scored; the last weights stand')
      this.trouble = messageOf(error)
    }
    onRound?.((performance.now() - began) / 1000, this.trouble === '')
  }

  private async step(): Promise<void> {
    const { publisher, id, log } = this.options
    // A new leader goes on from what was published last.
    const published = await publisher.read()
    const before = this.multipliers ?? multipliersOf(published)
    const at = this.now()
    const elapsed = this.multipliers ? Math.min(longestStep, Math.max(0, (at - this.steppedAt) / 1000)) : 0
    const report = await this.look(before, elapsed)
    this.multipliers = multipliersAfter(report.scores)
    this.steppedAt = at
    this.report_ = report
    const changes = changesBetween(published.pools, report.scores, tolerance)
    if (changes.length === 0) return
    const reason = `score: ${sayChanges(changes)}`
    const { document } = await publisher.change(id, reason, () => ({ pools: scoredPools(report.scores) }))
    log.info({ version: document.version }, reason)
  }

  private async look(before: Multipliers, elapsed: number): Promise<ScoreReport> {
    const { configuration, database } = this.options
    const { sidecar, egress } = configuration.current
    const at = this.now()
    const evidence = await this.reader.read(database.demand(), sidecar.score, at)
    const scores = score(egress?.pools ?? {}, evidence, before, elapsed, sidecar.score)
    return { at, scores, tallies: evidence.tallies }
  }
}
