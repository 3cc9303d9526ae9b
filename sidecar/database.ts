// The sidecar's ClickHouse: the embedded engine or a server. A server that is away at start is waited for; what can
// never work (no engine for this platform, folder in use, schema of a newer version) ends the start with its code.
// After the first contact the client reconnects by itself; a heartbeat says whether it is there now.

import { setTimeout as after } from 'node:timers/promises'

import type { ClickHouseClient } from '@clickhouse/client'

import { messageOf, SluiceError } from '@sluice/core/errors'

import type { Where } from './clickhouse/connect'
import { openClickHouse, type OpenOptions } from './clickhouse/open'
import { startEngine, type Engine } from './engine/process'
import type { Log } from './log'

export interface DatabaseOptions {
  /** URL of a server, credentials included; absent = the embedded engine. */
  readonly url?: string
  readonly database: string
  /** Folder of the embedded engine's data. */
  readonly engineFolder: string
  /** Folders it may read from (the spool). */
  readonly readable: readonly string[]
  /** Cluster and retention of its tables. */
  readonly schema?: Pick<OpenOptions, 'cluster' | 'retention'>
  readonly log: Log
}

const pauses = { firstMs: 250, longestMs: 10_000 }
const heartbeatMs = 3000
const fatal = new Set(['SLUICE_SCHEMA_NEWER', 'SLUICE_SCHEMA_CHANGED'])

export class Database {
  private connected: ClickHouseClient | undefined
  private trouble: string | undefined = 'not reached yet'
  private readonly stopping = new AbortController()
  private heartbeat: NodeJS.Timeout | undefined
  private beating: Promise<void> = Promise.resolve()

  private constructor(
    private readonly options: DatabaseOptions,
    readonly engine: Engine | undefined,
  ) {}

  /**
   * Starts the engine where there is no server to use; does not wait for a server.
   * @throws SluiceError SLUICE_ENGINE_MISSING, SLUICE_ENGINE_LOCKED
   */
  static async start(options: DatabaseOptions): Promise<Database> {
    const { url, engineFolder, readable, log } = options
    const engine = url === undefined ? await startEngine({ folder: engineFolder, readable, log }) : undefined
    return new Database(options, engine)
  }

  /** Undefined until the first contact. */
  get client(): ClickHouseClient | undefined {
    return this.connected
  }

  /** Why it does not answer now; undefined while it does. */
  get fault(): string | undefined {
    return this.trouble
  }

  /** @throws SluiceError SLUICE_CLICKHOUSE_AWAY */
  demand(): ClickHouseClient {
    if (!this.connected) throw new SluiceError('SLUICE_CLICKHOUSE_AWAY', this.trouble ?? 'not reached yet')
    return this.connected
  }

  /**
   * Waits for the first contact and brings the schema up to date. Undefined where it was stopped before.
   * @throws SluiceError SLUICE_SCHEMA_NEWER, SLUICE_SCHEMA_CHANGED
   */
  async opened(): Promise<ClickHouseClient | undefined> {
    const { url, database, schema, log } = this.options
    const where: Where | undefined = this.engine ? { engine: this.engine } : url === undefined ? undefined : { url }
    if (!where) throw new SluiceError('SLUICE_INTERNAL', 'neither an engine nor a server')
    for (
      let pauseMs = pauses.firstMs;
      !this.stopping.signal.aborted;
      pauseMs = Math.min(pauseMs * 2, pauses.longestMs)
    ) {
      try {
        this.connected = await openClickHouse(where, { ...schema, database, log })
        this.trouble = undefined
        this.heartbeat = setInterval(() => void this.beat(), heartbeatMs)
        return this.connected
      } catch (error) {
        if (error instanceof SluiceError && fatal.has(error.code)) throw error
        if (messageOf(error) !== this.trouble) log.warn({ error: messageOf(error) }, 'ClickHouse is away; trying again')
        this.trouble = messageOf(error)
        await this.pause(pauseMs)
      }
    }
    return undefined
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    clearInterval(this.heartbeat)
    await this.beating
    await this.connected?.close()
    await this.engine?.stop()
  }

  private async pause(ms: number): Promise<void> {
    try {
      await after(ms, undefined, { signal: this.stopping.signal })
    } catch {
      // woken by stop(): the loop looks at the signal
    }
  }

  private beat(): Promise<void> {
    this.beating = this.beating.then(() => this.ping())
    return this.beating
  }

  private async ping(): Promise<void> {
    const answer = await this.connected?.ping()
    const trouble = answer === undefined || answer.success ? undefined : messageOf(answer.error)
    if (trouble !== undefined && this.trouble === undefined) {
      this.options.log.warn({ error: trouble }, 'ClickHouse is away')
    }
    if (trouble === undefined && this.trouble !== undefined) this.options.log.info({}, 'ClickHouse answers again')
    this.trouble = trouble
  }
}
