// The configuration in force. Follows its folder: a change that is good as a whole takes its place, a bad one changes
// nothing and is kept as `fault` for health and log. Parts that are fixed at start (addresses, folders, Redis,
// ClickHouse) ask for a restart in the log.

import { watch, type FSWatcher } from 'node:fs'

import { messageOf } from '@sluice/core/errors'

import type { Log } from '../log'
import { configurationFiles, readConfiguration, type Configuration, type ConfigurationFolder } from './configuration'

const settleMs = 200

export class LiveConfiguration {
  private now: Configuration
  private trouble: string | undefined
  private watcher: FSWatcher | undefined
  private settling: NodeJS.Timeout | undefined
  private reading: Promise<void> = Promise.resolve()
  private readonly listeners = new Set<(now: Configuration) => void>()

  private constructor(
    readonly folder: ConfigurationFolder,
    first: Configuration,
    private readonly log: Log,
  ) {
    this.now = first
  }

  /** @throws ConfigError where the files are bad at start */
  static async open(folder: ConfigurationFolder, log: Log): Promise<LiveConfiguration> {
    const live = new LiveConfiguration(folder, await readConfiguration(folder), log)
    live.watcher = watch(folder.files, { persistent: false }, (_event, name) => {
      if (name === null || (configurationFiles as readonly string[]).includes(name)) live.settle()
    })
    live.watcher.on('error', (error) =>
      log.warn({ error: messageOf(error) }, 'the configuration is no longer followed'),
    )
    return live
  }

  get current(): Configuration {
    return this.now
  }

  /** Why the files on disk are not in force; undefined where they are. */
  get fault(): string | undefined {
    return this.trouble
  }

  /** Called after every change that is good as a whole. */
  onChange(listener: (now: Configuration) => void): void {
    this.listeners.add(listener)
  }

  /** Reads the files again; never rejects. */
  reload(): Promise<void> {
    this.reading = this.reading.then(() => this.readAgain())
    return this.reading
  }

  async close(): Promise<void> {
    this.watcher?.close()
    clearTimeout(this.settling)
    await this.reading
  }

  /** Editors write a file in several steps. */
  private settle(): void {
    clearTimeout(this.settling)
    this.settling = setTimeout(() => void this.reload(), settleMs)
  }

  private async readAgain(): Promise<void> {
    try {
      const next = await readConfiguration(this.folder)
      this.trouble = undefined
      if (JSON.stringify(next) === JSON.stringify(this.now)) return
      if (fixedParts(next) !== fixedParts(this.now)) {
        this.log.warn(
          {},
          'http address, data folder, ClickHouse, Redis or spool changed: takes effect at the next start',
        )
      }
      this.now = next
      this.log.info({}, 'configuration changed')
      for (const listener of this.listeners) listener(next)
    } catch (error) {
      this.trouble = messageOf(error)
      this.log.error({ complaint: this.trouble }, 'configuration refused; the last good one stays')
    }
  }
}

const fixedParts = ({ sidecar, sluice }: Configuration): string =>
  JSON.stringify([sidecar.data, sidecar.http, sidecar.clickhouse, sluice.redis, sluice.spool])
