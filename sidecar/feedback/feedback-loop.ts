// The feedback loop of this host: reports in, outcomes out, suppression kept. Without feedback.yaml it rests.

import { hostname } from 'node:os'
import path from 'node:path'

import type { Redis } from 'ioredis'

import { messageOf } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'

import type { LiveConfiguration } from '../config/live'
import type { Database } from '../database'
import type { PartState } from '../part-state'
import type { Log } from '../log'
import { Rounds } from '../rounds'
import { Keeper } from '../suppression/keeper'
import { SuppressionStore } from '../suppression/store'
import { FeedbackIntake } from './intake'
import { Maildir } from './maildir'
import type { ReportKind } from './reading'
import { ReportFolder } from './report-folder'
import type { LiveFeedbackSettings } from './settings'

export interface FeedbackLoopOptions {
  readonly configuration: LiveConfiguration
  readonly settings: LiveFeedbackSettings
  readonly database: Database
  readonly redis: Redis
  readonly keys: RedisKeys
  /** Folder of the outcome spool. */
  readonly spool: string
  readonly leading: () => boolean
  readonly log: Log
  readonly onTaken: (kind: ReportKind) => void
}

const maildirEveryMs = 1000
const usualFolder = 'reports'

export class FeedbackLoop {
  readonly store: SuppressionStore
  readonly reports: ReportFolder
  private readonly intake: FeedbackIntake
  private readonly keeper: Keeper
  private readonly maildir = new Rounds(() => this.lookIntoMaildir(), maildirEveryMs)
  private maildirFault = ''

  constructor(private readonly options: FeedbackLoopOptions) {
    const { configuration, settings, database, redis, keys, spool, leading, log, onTaken } = options
    const client = () => database.client
    const { feedback } = configuration.current
    this.store = new SuppressionStore(redis, keys)
    this.reports = new ReportFolder(
      path.resolve(configuration.folder.base, feedback?.intake.folder ?? usualFolder),
      hostname(),
    )
    this.keeper = new Keeper({
      client,
      store: this.store,
      leading,
      config: () => settings.current.signed?.config,
      log,
    })
    this.intake = new FeedbackIntake({
      reports: this.reports,
      spool,
      client,
      parts: () => {
        const { signed, discretion, rules } = settings.current
        return signed && { ...signed, discretion, rules }
      },
      log,
      onTaken,
    })
  }

  start(): void {
    this.intake.start()
    this.keeper.start()
    this.maildir.start()
  }

  async stop(): Promise<void> {
    await this.maildir.stop()
    await this.intake.stop()
    await this.keeper.stop()
  }

  /** Reports that wait. */
  get waiting(): number {
    return this.intake.waiting
  }

  get state(): PartState {
    const { settings } = this.options
    if (!settings.current.signed) return { ok: true, says: 'rests: no feedback.yaml' }
    const faults = [settings.fault, this.intake.fault, this.keeper.fault, this.maildirFault].filter(Boolean)
    return { ok: faults.length === 0, says: faults.join('; ') || `${this.intake.waiting} reports wait` }
  }

  private async lookIntoMaildir(): Promise<void> {
    const { configuration, settings, log } = this.options
    const folder = settings.current.signed?.config.intake.maildir
    if (folder === undefined) return
    try {
      await this.reports.prepare()
      await new Maildir(path.resolve(configuration.folder.base, folder), this.reports, log).take(Date.now())
      this.maildirFault = ''
    } catch (error) {
      const fault = `maildir: ${messageOf(error)}`
      if (fault !== this.maildirFault) log.warn({ error: fault }, 'Maildir not read; tried again')
      this.maildirFault = fault
    }
  }
}
