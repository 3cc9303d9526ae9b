// Every metric of the sidecar, named here only. Gauges are read from the parts when somebody scrapes, so they are
// never older than the answer they stand in.

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

import type { IngestMeter, IngestStatus } from '../ingest/status'

/** What the gauges are read from. */
export interface Gauged {
  readonly ingest: () => IngestStatus | undefined
  readonly routingVersion: () => number
  readonly leading: () => boolean
  /** ms since 1970; 0 = never */
  readonly scoredAt: () => number
  readonly journalBehind: () => number
  readonly partsOk: () => Readonly<Record<string, boolean>>
  /** Starts of the engine after the first. */
  readonly engineRestarts: () => number
  readonly now: () => number
}

const insertBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const httpBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Metrics {
  readonly registry = new Registry()
  private readonly ingestedLines = this.counter('sluice_ingest_outcomes_total', 'Outcomes ingested')
  private readonly ingestedBytes = this.counter('sluice_ingest_bytes_total', 'Bytes of segments ingested')
  private readonly quarantined = this.counter('sluice_ingest_quarantined_lines_total', 'Lines set aside as unreadable')
  private readonly torn = this.counter('sluice_ingest_torn_lines_total', 'Last lines torn by a dead worker')
  private readonly failures = new Counter({
    name: 'sluice_ingest_failures_total',
    help: 'Failed inserts by what is wrong: ClickHouse away, refused, spool broken',
    labelNames: ['state'],
    registers: [this.registry],
  })
  private readonly insertSeconds = this.histogram('sluice_ingest_insert_seconds', 'Time of one insert', insertBuckets)
  private readonly published = new Counter({
    name: 'sluice_routing_published_total',
    help: 'Routing documents published by this sidecar, by score or by an operator',
    labelNames: ['by'],
    registers: [this.registry],
  })
  private readonly changes = new Counter({
    name: 'sluice_changes_total',
    help: 'Changes asked for over HTTP, by action and state',
    labelNames: ['action', 'state'],
    registers: [this.registry],
  })
  private readonly reports = new Counter({
    name: 'sluice_reports_total',
    help: 'Reports taken, by what they were: dsn, arf, unsubscribe, autoreply, dmarc, tlsrpt, other, unreadable',
    labelNames: ['kind'],
    registers: [this.registry],
  })
  private readonly scoreSeconds = this.histogram('sluice_score_seconds', 'Time of one round of scoring', insertBuckets)
  private readonly scoreFailures = this.counter('sluice_score_failures_total', 'Rounds of scoring that failed')
  private readonly http = new Histogram({
    name: 'sluice_http_request_seconds',
    help: 'Time to answer HTTP requests, by route and status',
    labelNames: ['route', 'status'],
    buckets: httpBuckets,
    registers: [this.registry],
  })

  constructor(gauged: Gauged) {
    collectDefaultMetrics({ register: this.registry })
    const { ingest } = gauged
    this.gauge('sluice_spool_segments', 'Sealed segments waiting', () => ingest()?.waiting.segments ?? 0)
    this.gauge('sluice_spool_bytes', 'Bytes of sealed segments waiting', () => ingest()?.waiting.bytes ?? 0)
    this.gauge('sluice_ingest_lag_seconds', 'Age of the oldest segment waiting', () => {
      const oldest = ingest()?.waiting.oldest_at
      return oldest === undefined ? 0 : Math.max(0, (gauged.now() - oldest) / 1000)
    })
    this.gauge('sluice_routing_version', 'Version of the last routing document seen', gauged.routingVersion)
    this.gauge('sluice_score_leading', '1 where this sidecar scores', () => Number(gauged.leading()))
    this.gauge('sluice_score_age_seconds', 'Time since the last good round of scoring; NaN where there was none', () =>
      gauged.scoredAt() === 0 ? NaN : (gauged.now() - gauged.scoredAt()) / 1000,
    )
    this.gauge('sluice_journal_behind_bytes', 'Audit and routing journal not in ClickHouse yet', gauged.journalBehind)
    this.gauge('sluice_engine_restarts', 'Starts of the embedded engine after the first', gauged.engineRestarts)
    new Gauge({
      name: 'sluice_part_ok',
      help: '1 where the part is in order',
      labelNames: ['part'],
      registers: [this.registry],
      collect() {
        for (const [part, ok] of Object.entries(gauged.partsOk())) this.set({ part }, Number(ok))
      },
    })
  }

  /** What the ingester tells. */
  readonly ingestMeter: IngestMeter = {
    ingested: (lines, bytes, ms) => {
      this.ingestedLines.inc(lines)
      this.ingestedBytes.inc(bytes)
      this.insertSeconds.observe(ms / 1000)
    },
    quarantined: (lines) => this.quarantined.inc(lines),
    torn: (lines) => this.torn.inc(lines),
    failed: (state) => this.failures.inc({ state }),
    waiting: () => undefined, // read from the status at each scrape
  }

  answered(route: string, status: number, seconds: number): void {
    this.http.observe({ route, status: String(status) }, seconds)
  }

  scored(seconds: number, ok: boolean): void {
    this.scoreSeconds.observe(seconds)
    if (!ok) this.scoreFailures.inc()
  }

  routingPublished(by: 'score' | 'operator'): void {
    this.published.inc({ by })
  }

  changed(action: string, state: string): void {
    this.changes.inc({ action, state })
  }

  reportTaken(kind: string): void {
    this.reports.inc({ kind })
  }

  private counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.registry] })
  }

  private histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name, help, buckets, registers: [this.registry] })
  }

  private gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
  }
}
