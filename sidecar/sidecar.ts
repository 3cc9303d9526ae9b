// The sidecar as a whole: starts its parts in order, wires them, stops them in reverse. A part that is away (Redis, a
// ClickHouse server) is no reason not to start: readiness says so and the part comes later. What can never work ends
// the start with a coded error.

import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

import type { Redis } from 'ioredis'

import { messageOf } from '@sluice/core/errors'
import { redisKeys } from '@sluice/core/redis/keys'

import { Actions } from './actions/actions'
import { Changes } from './changes/changes'
import { Trail } from './changes/trail'
import { removeAddress, writeAddress } from './http/address'
import { clickhouseUrl, schemaOptions } from './config/clickhouse'
import type { LiveConfiguration } from './config/live'
import { Database } from './database'
import { FeedbackLoop } from './feedback/feedback-loop'
import { LiveFeedbackSettings } from './feedback/settings'
import { allRoutes } from './http/routes/all'
import { listen, serve, type Listening } from './http/server'
import type { Services } from './http/services'
import { ParkedExchange } from './parked/exchange'
import type { PartState } from './part-state'
import { TokenFile } from './http/tokens'
import { startIngest, type Ingest } from './ingest/ingester'
import { Journal } from './journal/journal'
import { Shipper } from './journal/shipper'
import type { Log } from './log'
import { Metrics } from './metrics/metrics'
import { Restarts } from './metrics/restarts'
import { connectRedis } from './redis/connection'
import { Leadership } from './routing/leadership'
import { RoutingMemory } from './routing/memory'
import { RoutingPublisher, type Published } from './routing/publisher'
import { Scorer } from './score/scorer'
import { SuppressionList } from './suppression/list'
import { version } from './version'
import { rowOf } from './warmup/history'
import { WarmupKeeper } from './warmup/keeper'
import { WarmupStore } from './warmup/store'
import { Warmups } from './warmup/warmups'

/** How long the start waits for ClickHouse before it goes on without. */
const patienceMs = { engine: 30_000, server: 1000 }
const tendEveryMs = 5000
/** In the order of their shippers. */
const journalNames = ['audit', 'documents', 'suppressions', 'warmups'] as const
type Journals = Readonly<Record<(typeof journalNames)[number], Journal>>

export class Sidecar {
  readonly id = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`
  private readonly startedAt = Date.now()
  private readonly redis: Redis
  private readonly publisher: RoutingPublisher
  private readonly leadership: Leadership
  private readonly scorer: Scorer
  private readonly metrics: Metrics
  private readonly shippers: readonly Shipper[]
  private readonly trail: Trail
  private readonly changes: Changes
  private readonly parked: ParkedExchange
  private readonly actions: Actions
  private readonly restarts: Restarts
  private readonly feedback: FeedbackLoop
  private readonly suppressions: SuppressionList
  private readonly warmupKeeper: WarmupKeeper
  private readonly warmups: Warmups
  private ingest: Ingest | undefined
  private listening: Listening | undefined
  private tending: NodeJS.Timeout | undefined
  private opening: Promise<void> = Promise.resolve()
  private stopping: Promise<void> | undefined

  private constructor(
    private readonly configuration: LiveConfiguration,
    private readonly database: Database,
    private readonly tokens: TokenFile,
    memory: RoutingMemory,
    private readonly settings: LiveFeedbackSettings,
    private readonly journals: Journals,
    private readonly data: string,
    private readonly spool: string,
    private readonly log: Log,
  ) {
    const { sluice } = configuration.current
    const keys = redisKeys(sluice.redis.prefix)
    this.redis = connectRedis(process.env['REDIS_URL'] ?? sluice.redis.url, log)
    this.publisher = new RoutingPublisher({ redis: this.redis, keys, memory, log })
    this.leadership = new Leadership({ redis: this.redis, key: keys.scorer, id: this.id, log })
    this.restarts = new Restarts(database)
    this.metrics = new Metrics({
      ingest: () => this.ingest?.status(),
      routingVersion: () => this.publisher.last.version,
      leading: () => this.leadership.leading,
      scoredAt: () => this.scorer.scoredAt,
      journalBehind: () => Object.values(journals).reduce((sum, { behind }) => sum + behind, 0),
      partsOk: () => Object.fromEntries(Object.entries(this.parts()).map(([name, { ok }]) => [name, ok])),
      engineRestarts: () => this.restarts.count,
      now: Date.now,
    })
    this.scorer = new Scorer({
      configuration,
      database,
      publisher: this.publisher,
      leadership: this.leadership,
      id: this.id,
      log,
      onRound: (seconds, ok) => this.metrics.scored(seconds, ok),
    })
    const client = () => database.client
    this.shippers = [
      new Shipper({ journal: journals.audit, table: 'audit', client, log }),
      new Shipper({ journal: journals.documents, table: 'routing_documents', client, log }),
      new Shipper({ journal: journals.suppressions, table: 'suppressions', client, log }),
      new Shipper({ journal: journals.warmups, table: 'warmup_events', client, log }),
    ]
    this.trail = new Trail({ record: (row) => this.record(row), log })
    this.changes = new Changes({ publisher: this.publisher, trail: this.trail })
    this.parked = new ParkedExchange({ redis: this.redis, keys, log })
    this.actions = new Actions({ redis: this.redis, keys, trail: this.trail, log })
    this.publisher.onPublished((published) => this.keep(published))
    this.feedback = new FeedbackLoop({
      configuration,
      settings,
      database,
      redis: this.redis,
      keys,
      spool,
      leading: () => this.leadership.leading,
      log,
      onTaken: (kind) => this.metrics.reportTaken(kind),
    })
    this.suppressions = new SuppressionList({
      store: this.feedback.store,
      client: () => database.demand(),
      discretion: () => settings.current.discretion,
      journal: (row) => this.append('suppressions', row),
      audit: (row) => this.record(row),
    })
    const { redis, leadership, id } = this
    const plans = () => configuration.current.plans
    const demand = () => database.demand()
    const store = new WarmupStore({
      redis,
      keys,
      client: demand,
      plans,
      record: (note, at, author) => this.append('warmups', rowOf(note, at, author)),
      log,
    })
    this.warmupKeeper = new WarmupKeeper({ configuration, store, redis, keys, client, leadership, id, log })
    this.warmups = new Warmups({
      store,
      trail: this.trail,
      journal: journals.warmups,
      redis,
      keys,
      plans,
      client: demand,
    })
  }

  /** @throws SluiceError for what can never work: configuration, engine, token file, address */
  static async start(configuration: LiveConfiguration, log: Log): Promise<Sidecar> {
    const { sidecar, sluice } = configuration.current
    const { base } = configuration.folder
    const data = path.resolve(base, sidecar.data)
    const spool = path.resolve(base, sluice.spool.folder)
    await mkdir(data, { recursive: true, mode: 0o700 })
    const settings = await LiveFeedbackSettings.open(configuration, log)
    const tokens = await TokenFile.open(path.resolve(data, sidecar.http.tokens), log)
    const url = await clickhouseUrl(configuration)
    const database = await Database.start({
      ...(url !== undefined && { url }),
      database: sidecar.clickhouse.database,
      engineFolder: path.join(data, 'engine'),
      readable: [spool],
      schema: schemaOptions(sidecar.clickhouse),
      log,
    })
    const journals = {
      audit: await Journal.open({ folder: data, name: 'audit', keep: true, log }),
      documents: await Journal.open({ folder: data, name: 'routing', keep: false, log }),
      suppressions: await Journal.open({ folder: data, name: 'suppressions', keep: false, log }),
      warmups: await Journal.open({ folder: data, name: 'warmups', keep: true, log }),
    }
    const memory = await RoutingMemory.open(path.join(data, 'routing.json'), log)
    const made = new Sidecar(configuration, database, tokens, memory, settings, journals, data, spool, log)
    try {
      await made.begin()
    } catch (error) {
      await made.stop()
      throw error
    }
    return made
  }

  get url(): string {
    return this.listening?.url ?? ''
  }

  get tokenFile(): string {
    return this.tokens.file
  }

  /** Rejects when something that cannot be waited for has gone wrong after the start (schema of a newer version). */
  get failed(): Promise<void> {
    return this.opening
  }

  stop(): Promise<void> {
    this.stopping ??= this.end()
    return this.stopping
  }

  private async begin(): Promise<void> {
    this.opening = this.open()
    const patience = this.database.engine ? patienceMs.engine : patienceMs.server
    await Promise.race([this.opening, after(patience, undefined, { ref: false })])
    await this.leadership.start()
    this.scorer.start()
    this.feedback.start()
    this.warmupKeeper.start()
    this.tending = setInterval(() => void this.tend(), tendEveryMs)
    const { http } = this.configuration.current.sidecar
    const app = serve({
      routes: allRoutes(this.services()),
      tokens: this.tokens,
      maxBodyBytes: http.max_body_kb * 1024,
      log: this.log,
      onAnswer: (route, status, seconds) => this.metrics.answered(route, status, seconds),
    })
    this.listening = await listen(app, http.host, http.port)
    await writeAddress(this.data, this.listening.url)
  }

  private async open(): Promise<void> {
    const client = await this.database.opened()
    if (!client || this.stopping) return
    this.ingest = startIngest({
      client,
      folder: this.spool,
      ...(this.database.engine && { local: this.database.engine }),
      log: this.log,
      meter: this.metrics.ingestMeter,
    })
    for (const shipper of this.shippers) void shipper.ship()
  }

  private async end(): Promise<void> {
    clearInterval(this.tending)
    if (this.listening) await removeAddress(this.data)
    await this.listening?.stop()
    await this.scorer.stop()
    await this.feedback.stop()
    await this.warmupKeeper.stop()
    await this.leadership.stop()
    await this.ingest?.stop()
    for (const shipper of this.shippers) {
      await shipper.ship()
      await shipper.stop()
    }
    this.redis.disconnect()
    this.restarts.stop()
    await this.database.stop()
    await this.publisher.settled()
    await Promise.all(Object.values(this.journals).map((journal) => journal.close()))
    await this.configuration.close()
  }

  private async tend(): Promise<void> {
    if (!this.leadership.leading) return
    try {
      const published = await this.publisher.tend(this.id)
      if (published) this.log.info({ version: published.document.version }, published.document.reason)
    } catch (error) {
      this.log.debug({ error: messageOf(error) }, 'routing document not looked after')
    }
  }

  private async record(row: Readonly<Record<string, unknown>>): Promise<void> {
    await this.append('audit', row)
    this.metrics.changed(String(row['action']), String(row['state']))
  }

  /** Into the journal, and as soon as may be into its table. */
  private async append(name: keyof Journals, row: Readonly<Record<string, unknown>>): Promise<boolean> {
    const taken = await this.journals[name].append(row)
    void this.shippers[journalNames.indexOf(name)]?.ship()
    return taken
  }

  private keep({ document }: Published): void {
    this.metrics.routingPublished(document.by === this.id ? 'score' : 'operator')
    const { version: number, at, by, reason } = document
    const row = { version: number, at, by, reason, document: JSON.stringify(document) }
    this.append('documents', row)
      .then((taken) => {
        if (!taken) this.log.warn({ version: number }, 'the journal of routing documents is full')
      })
      .catch((error: unknown) => this.log.error({ error: messageOf(error) }, 'a routing document is not recorded'))
  }

  private services(): Services {
    return {
      version,
      startedAt: this.startedAt,
      configuration: this.configuration,
      database: this.database,
      publisher: this.publisher,
      changes: this.changes,
      trail: this.trail,
      parked: this.parked,
      actions: this.actions,
      scorer: this.scorer,
      audit: this.journals.audit,
      suppressions: this.suppressions,
      warmups: this.warmups,
      feedback: { reports: this.feedback.reports, settings: this.settings },
      registry: this.metrics.registry,
      parts: () => this.parts(),
      now: Date.now,
    }
  }

  private parts(): Record<string, PartState> {
    const { configuration, database, redis, leadership, scorer } = this
    const ingest = this.ingest?.status()
    const ingesting = ingest !== undefined && ['idle', 'ingesting'].includes(ingest.state)
    return {
      clickhouse: {
        ok: database.fault === undefined,
        says: database.fault ?? (database.engine ? `embedded engine ${database.engine.version}` : 'server answers'),
      },
      redis: {
        ok: redis.status === 'ready' && leadership.fault === undefined,
        says: leadership.fault ?? redis.status,
      },
      ingest: { ok: ingesting, says: ingest?.trouble?.message ?? ingest?.state ?? 'waits for ClickHouse' },
      scorer: { ok: scorer.fault === '', says: scorer.fault || (leadership.leading ? 'scores' : 'another one scores') },
      feedback: this.feedback.state,
      warmup: { ok: this.warmupKeeper.fault === '', says: this.warmupKeeper.fault || 'looked after' },
      configuration: { ok: configuration.fault === undefined, says: configuration.fault ?? 'in force' },
    }
  }
}
