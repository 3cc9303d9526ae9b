// Puts outcomes into the spool: discretion as configured, followed when the configuration changes. A fault
// here never reaches a mail: it is logged.

import { hostname } from 'node:os'
import path from 'node:path'

import { messageOf } from '@sluice/core/errors'
import { discretionOf } from '@sluice/core/outcome/recipient'
import type { OutcomeRecord } from '@sluice/core/outcome/record'
import { readSecret, type Configuration, type Host } from 'haraka-plugin-sluice-host'

import { acceptedRecords, droppedRecords, recordsOf, suppressedRecords, type Acceptance, type Scene } from './records'
import type { LossLog } from './spool/losses'
import { SpoolWriter } from './spool/writer'

export interface RecorderParts {
  readonly host: Host
  readonly log: LossLog
  /** Folder of this Haraka; the spool's is relative to it. */
  readonly harakaFolder: string
}

export class Recorder {
  private scene: Scene
  private readonly writer: SpoolWriter

  /** @throws SluiceError SLUICE_SECRET_MISSING where `recipient: hash` has no key */
  constructor(private readonly parts: RecorderParts) {
    const { host, log, harakaFolder } = parts
    const { sluice } = host.configuration.current
    this.scene = {
      verdictOf: (attempt, evidence, over) => host.verdictOf(attempt, evidence, over),
      discretion: discretionOf(sluice, readSecret),
      host: hostname(),
      worker: String(process.pid),
    }
    this.writer = new SpoolWriter({
      folder: path.resolve(harakaFolder, sluice.spool.folder),
      host: this.scene.host,
      worker: this.scene.worker,
      bounds: () => {
        const { max_mb: max, min_free_mb: minFree } = host.configuration.current.sluice.spool
        return { max, minFree }
      },
      log,
    })
    host.onSettled((settlement) => this.append(() => recordsOf(settlement, this.scene)))
    host.onSuppressed((event) => this.append(() => suppressedRecords(event, this.scene)))
    host.onDropped((event) => this.append(() => droppedRecords(event, this.scene)))
    host.configuration.onChange((changed) => this.reconfigure(changed))
  }

  accepted(acceptance: Acceptance): void {
    this.append(() => acceptedRecords(acceptance, this.scene))
  }

  /** Seals what is open; the process is about to end. */
  close(): void {
    this.guarded(() => this.writer.close())
  }

  private append(records: () => readonly OutcomeRecord[]): void {
    this.guarded(() => {
      for (const record of records()) this.writer.append(record)
    })
  }

  private reconfigure({ sluice }: Configuration): void {
    try {
      this.scene = { ...this.scene, discretion: discretionOf(sluice, readSecret) }
    } catch (thrown) {
      this.parts.log.error(`configuration refused, outcome keeps the last good one: ${messageOf(thrown)}`)
    }
  }

  private guarded(act: () => void): void {
    try {
      act()
    } catch (thrown) {
      this.parts.log.error(`SLUICE_INTERNAL: an outcome was not recorded: ${messageOf(thrown)}`)
    }
  }
}
