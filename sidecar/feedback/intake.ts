// The way of a report: taken from the spool folder in batches, read, led back to its message, written as outcome
// records into the outcome spool, where the ingester finds them. A report whose message is too young to be in
// ClickHouse waits for it. ClickHouse away: everything waits.

import { hostname } from 'node:os'
import path from 'node:path'

import type { ClickHouseClient } from '@clickhouse/client'

import { messageOf, SluiceError } from '@sluice/core/errors'
import { attribute } from '@sluice/core/feedback/attribution'
import { reportRecord } from '@sluice/core/feedback/record'
import type { Discretion } from '@sluice/core/outcome/recipient'
import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { segmentName } from '@sluice/core/spool/segment'

import { ask } from '../clickhouse/ask'
import { query } from '../clickhouse/shipped'
import type { Log } from '../log'
import { Rounds } from '../rounds'
import { keepAggregate } from './aggregates'
import { messagesByHeader, messagesById, type Message } from './messages'
import { readReport, type Reading, type ReadingParts, type ReportKind } from './reading'
import { isThere, writeDurably, type ReportFolder } from './report-folder'

export interface FeedbackIntakeOptions {
  readonly reports: ReportFolder
  /** Folder of the outcome spool. */
  readonly spool: string
  /** Undefined while ClickHouse is away. */
  readonly client: () => ClickHouseClient | undefined
  /** Undefined where there is no feedback.yaml: nothing is taken. */
  readonly parts: () => (ReadingParts & { readonly discretion: Discretion }) | undefined
  readonly log: Log
  /** Told of every report taken, for metrics. */
  readonly onTaken?: (kind: ReportKind) => void
  readonly now?: () => number
  readonly everyMs?: number
  /** How long a report waits for outcomes of its message, ms. */
  readonly patienceMs?: number
}

type Telling = Extract<Reading, { does: 'tell' }>

const usualEveryMs = 500
const usualPatienceMs = 5 * 60_000
const retryMs = 2000
const batchSize = 500
/** The event loop belongs to others too. */
const breatheEvery = 20
/** Ids written lately, which ClickHouse may not know yet. */
const mostRecent = 20_000

const knownSql = query('evidence_known')
const segmentKnownSql = query('segments_known')

export class FeedbackIntake {
  /** Reports that wait, at the last look. */
  waiting = 0
  /** Why the last round failed; empty where it did not. */
  fault = ''
  private readonly now: () => number
  private readonly notBefore = new Map<string, number>()
  private readonly recent = new Set<string>()
  private sequence = 0
  private readonly rounds: Rounds

  constructor(private readonly options: FeedbackIntakeOptions) {
    this.now = options.now ?? Date.now
    this.rounds = new Rounds(() => this.attempt(), options.everyMs ?? usualEveryMs)
  }

  start(): void {
    this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** Works on what waits; one round at a time. Never rejects. */
  round(): Promise<void> {
    return this.rounds.round()
  }

  private async attempt(): Promise<void> {
    const { client, parts, log, reports } = this.options
    const clickhouse = client()
    const reading = parts()
    if (this.rounds.stopped || !clickhouse || !reading) return
    try {
      await reports.prepare()
      for (const batch of await reports.unfinished()) await this.work(clickhouse, reading, batch, true)
      for (let batch = await this.next(); batch !== undefined; batch = await this.next()) {
        await this.work(clickhouse, reading, batch, false)
      }
      this.fault = ''
    } catch (error) {
      const fault = messageOf(error)
      if (fault !== this.fault) log.warn({ error: fault }, 'reports not taken; tried again')
      this.fault = fault
    }
  }

  /** Begins a batch; undefined where nothing waits that can be worked on now. */
  private async next(): Promise<string | undefined> {
    if (this.rounds.stopped) return undefined
    const { reports } = this.options
    const now = this.now()
    const { names, total } = await reports.waiting(batchSize + this.notBefore.size)
    this.waiting = total
    for (const name of this.notBefore.keys()) if (!names.includes(name)) this.notBefore.delete(name)
    const ready = names.filter((name) => (this.notBefore.get(name) ?? 0) <= now).slice(0, batchSize)
    if (ready.length === 0) return undefined
    const segment = segmentName({
      host: hostname(),
      worker: `report.${process.pid}`,
      started: now,
      sequence: this.sequence++,
      sealed: true,
    })
    await reports.take(segment, ready)
    return segment
  }

  /** @param again the batch was begun before, perhaps by a process that was killed */
  private async work(
    client: ClickHouseClient,
    parts: NonNullable<ReturnType<FeedbackIntakeOptions['parts']>>,
    batch: string,
    again: boolean,
  ): Promise<void> {
    const { reports } = this.options
    const tellings: { name: string; reading: Telling }[] = []
    for (const [index, name] of (await reports.reportsOf(batch)).entries()) {
      if (index % breatheEvery === 0) await new Promise((resolve) => setImmediate(resolve))
      const reading = await this.read(client, parts, batch, name)
      if (reading?.does === 'tell') tellings.push({ name, reading })
    }
    const records = await this.recordsOf(client, parts.discretion, batch, tellings)
    const known = again && (await this.isWritten(client, batch))
    if (records.length > 0 && !known) await this.write(batch, records)
    await reports.finish(batch)
  }

  /** Reads one report and deals with it, unless it tells of recipients. */
  private async read(
    client: ClickHouseClient,
    parts: ReadingParts,
    batch: string,
    name: string,
  ): Promise<Reading | undefined> {
    const { reports, log } = this.options
    const reading = await this.understand(batch, name, parts)
    if (reading.does === 'aggregate') {
      try {
        await keepAggregate(client, reading.report, reading.envelope.at)
      } catch (error) {
        if (!isContentFault(error)) throw error
        await reports.setAside(batch, name, `${error.code}: ${error.message}`)
      }
    }
    if (reading.does === 'puzzle') {
      log.info({ report: name, reason: reading.reason }, 'report set aside')
      await reports.setAside(batch, name, reading.reason)
    }
    if (reading.does !== 'tell') this.options.onTaken?.(reading.kind)
    return reading
  }

  private async understand(batch: string, name: string, parts: ReadingParts): Promise<Reading> {
    try {
      return await readReport(await this.options.reports.read(batch, name), parts)
    } catch (error) {
      if (isFileFault(error)) throw error
      // Whatever a stranger's mail does to the reader, it must not do it again.
      const reason =
        error instanceof SluiceError ? `${error.code}: ${error.message}` : `SLUICE_INTERNAL: ${messageOf(error)}`
      if (!(error instanceof SluiceError))
        this.options.log.error({ report: name, err: error }, 'a report cannot be read')
      return { does: 'puzzle', kind: 'unreadable', reason }
    }
  }

  private async recordsOf(
    client: ClickHouseClient,
    discretion: Discretion,
    batch: string,
    tellings: readonly { name: string; reading: Telling }[],
  ): Promise<OutcomeRecord[]> {
    if (tellings.length === 0) return []
    const proven = tellings.flatMap(({ reading }) => reading.proofs[0]?.message_id ?? [])
    const named = tellings.flatMap(({ reading }) => (reading.proofs.length === 0 ? reading.header_message_id : []))
    const byId = await messagesById(client, [...new Set(proven)])
    const byHeader = await messagesByHeader(client, [...new Set(named.filter(Boolean))], this.now())
    const records: OutcomeRecord[] = []
    for (const { name, reading } of tellings) {
      const [proof] = reading.proofs
      const message = proof ? byId.get(proof.message_id) : byHeader.get(reading.header_message_id)
      if (proof && !message && this.now() - proof.issued < (this.options.patienceMs ?? usualPatienceMs)) {
        this.notBefore.set(name, this.now() + retryMs)
        await this.options.reports.putBack(batch, name)
        continue
      }
      records.push(...recordsFor(reading, message, discretion))
      this.options.onTaken?.(reading.kind)
    }
    return this.unknown(client, records)
  }

  /** Each outcome once, and only what is not there yet. */
  private async unknown(client: ClickHouseClient, records: readonly OutcomeRecord[]): Promise<OutcomeRecord[]> {
    const fresh = new Map(records.filter(({ id }) => !this.recent.has(id)).map((record) => [record.id, record]))
    const recipients = [...new Set([...fresh.values()].flatMap(({ recipient }) => recipient?.toLowerCase() ?? []))]
    if (recipients.length > 0) {
      const rows = await ask<{ id: string }>(client, knownSql, { recipients, ids: [...fresh.keys()] })
      for (const { id } of rows) fresh.delete(id)
    }
    return [...fresh.values()]
  }

  private async isWritten(client: ClickHouseClient, segment: string): Promise<boolean> {
    if (await isThere(path.join(this.options.spool, segment))) return true
    return (await ask<{ segment: string }>(client, segmentKnownSql, { segments: [segment] })).length > 0
  }

  private async write(segment: string, records: readonly OutcomeRecord[]): Promise<void> {
    const text = records.map((record) => `${JSON.stringify(record)}\n`).join('')
    await writeDurably(path.join(this.options.spool, segment), Buffer.from(text))
    for (const { id } of records) this.recent.add(id)
    for (const id of this.recent) {
      if (this.recent.size <= mostRecent) break
      this.recent.delete(id)
    }
  }
}

const recordsFor = (reading: Telling, message: Message | undefined, discretion: Discretion): OutcomeRecord[] => {
  const { findings, proofs, envelope, digest } = reading
  return attribute(findings, proofs, message, discretion).map((one) =>
    reportRecord(one, message?.background(one.recipient), { at: envelope.at, host: hostname(), digest }, discretion),
  )
}

const isContentFault = (error: unknown): error is SluiceError =>
  error instanceof SluiceError && error.code === 'SLUICE_REPORT_CONTENT'

/** The disk, not the report. */
const isFileFault = (error: unknown): boolean =>
  error instanceof Error && !(error instanceof SluiceError) && 'syscall' in error
