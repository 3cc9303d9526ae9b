// The embedded ClickHouse of this process: one data folder, any number of short-lived sessions on it. A session is one
// connection with its own settings and parameters, so nothing of one request can reach another. A connection is never
// closed while a statement runs on it (that would take the whole engine down): closing waits.

import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

import { messageOf, SluiceError } from '@sluice/core/errors'

import { identifier, literal } from '../sql/tokens'
import type { EngineLimits } from './orders'
import type { Addon, Analysis, Handle, ReadCounts, WriteCounts } from './addon'

/** What holds for every statement unless a request says otherwise. */
const pinned = [
  '--async_insert=0',
  '--implicit_select=0',
  '--allow_introspection_functions=0',
  '--output_format_json_quote_64bit_integers=1',
  '--date_time_input_format=best_effort',
  // Parameters arrive as SET statements and can be long; how long a request may be is the listener's affair.
  '--max_query_size=268435456',
]

const markCacheBytes = 256 * 1024 * 1024

/** The database where nothing else is said; `default` is not used, it cannot be backed up and restored. */
export const homeDatabase = 'sluice'

export interface SessionOptions {
  readonly database?: string
  readonly settings: ReadonlyMap<string, string>
  /** Query parameters in the wire form of `param_x`. */
  readonly params: ReadonlyMap<string, string>
  readonly readonly: 0 | 1 | 2
}

type Memory = Pick<EngineLimits, 'memoryBytes' | 'queryMemoryBytes'>

export class Embedded {
  readonly version: string
  readonly #addon: Addon
  readonly #folder: string
  readonly #args: readonly string[]
  /** Keeps the data folder open between requests. */
  readonly #keeper: Handle
  readonly #open = new Set<Session>()
  #sequence = 0

  /**
   * Opens (or creates) the data folder.
   * @throws SluiceError SLUICE_ENGINE_LOCKED where another process has it open
   */
  constructor(addon: Addon, folder: string, limits: Memory) {
    this.#addon = addon
    this.#folder = folder
    this.#args = [...pinned, `--max_memory_usage=${limits.queryMemoryBytes}`]
    mkdirSync(folder, { recursive: true })
    try {
      // The first connection starts the server, so these are the server's.
      const server = [`--max_server_memory_usage=${limits.memoryBytes}`, `--mark_cache_size=${markCacheBytes}`]
      this.#keeper = addon.CreateConnection(folder, [...this.#args, ...server])
    } catch (error) {
      throw whyNotOpen(folder, error)
    }
    this.version = addon.EngineVersion()
  }

  async createHome(): Promise<void> {
    const create = `CREATE DATABASE IF NOT EXISTS ${identifier(homeDatabase)} ENGINE = Atomic`
    await this.#addon.QueryAsyncConnection(this.#keeper, create, 'Null')
  }

  /** A session of its own for one request; close it. @throws Exception-to-be where a setting or database is unknown */
  async session(options: SessionOptions): Promise<Session> {
    const key = `sluice-${process.pid}-${(this.#sequence += 1)}`
    const session = new Session(this.#addon, this.#addon.CreateConnection(this.#folder, this.#args), key, () =>
      this.#open.delete(session),
    )
    this.#open.add(session)
    try {
      await session.read(prelude(options, key), 'Null')
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }

  /** Asks the engine to end what `session` runs, again and again until it has ended. */
  async kill(session: Session): Promise<void> {
    const sql = `KILL QUERY WHERE Settings['log_comment'] = ${literal(session.key)} ASYNC FORMAT Null`
    for (let wait = 5; session.busy; wait = Math.min(wait * 2, 500)) {
      const connection = this.#addon.CreateConnection(this.#folder)
      try {
        await this.#addon.QueryAsyncConnection(connection, sql, 'Null')
      } finally {
        this.#addon.CloseConnection(connection)
      }
      await Promise.race([session.idle(), after(wait)])
    }
  }

  /** Ends everything that runs and lets the folder go. */
  async close(): Promise<void> {
    await Promise.all(
      [...this.#open].map(async (session) => {
        await this.kill(session)
        await session.close()
      }),
    )
    this.#addon.CloseConnection(this.#keeper)
  }
}

/** One connection. Statements on it run one after the other. */
export class Session {
  readonly key: string
  readonly #addon: Addon
  readonly #connection: Handle
  readonly #closed: () => void
  #running: Promise<unknown> | undefined

  constructor(addon: Addon, connection: Handle, key: string, closed: () => void) {
    this.#addon = addon
    this.#connection = connection
    this.key = key
    this.#closed = closed
  }

  get busy(): boolean {
    return this.#running !== undefined
  }

  /** Runs a statement and gives its whole answer. */
  read(sql: string, format: string): Promise<ReadCounts> {
    return this.#run(this.#addon.QueryAsyncConnection(this.#connection, sql, format))
  }

  /** Runs a statement that changes something; `data` follows its text as it is. */
  write(sql: string, data: Buffer): Promise<WriteCounts> {
    return this.#run(this.#addon.InsertRawAsyncConnection(this.#connection, sql, data, false))
  }

  classify(sql: string): Promise<Analysis> {
    return this.#run(this.#addon.DurableClassifyAsync(this.#connection, sql, homeDatabase))
  }

  /** Settles when nothing runs; never rejects. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.idle()
    this.#addon.CloseConnection(this.#connection)
    this.#closed()
  }

  #run<T>(operation: Promise<T>): Promise<T> {
    const running = operation.finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }
}

/** The statements that make a fresh connection the request's own; `readonly` comes last, it locks the others. */
const prelude = ({ database, settings, params, readonly }: SessionOptions, key: string): string => {
  const changes = [...settings].map(([name, value]) => `${name} = ${literal(value)}`)
  const values = [...params].map(([name, value]) => `param_${name} = ${literal(value)}`)
  return [
    `USE ${identifier(database ?? homeDatabase)}`,
    ...(values.length > 0 ? [`SET ${values.join(', ')}`] : []),
    `SET ${[...changes, `log_comment = ${literal(key)}`].join(', ')}`,
    ...(readonly > 0 ? [`SET readonly = ${readonly}`] : []),
  ].join('; ')
}

/** The engine's own message says only that it failed; its `status` file names the process that holds the folder. */
const whyNotOpen = (folder: string, error: unknown): Error => {
  const holder = holderOf(folder)
  if (holder === undefined || holder === process.pid) {
    return new SluiceError('SLUICE_INTERNAL', `the data folder ${folder} cannot be opened: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return new SluiceError('SLUICE_ENGINE_LOCKED', `the data folder ${folder} is open in process ${holder}`, {
    cause: error,
  })
}

/** Process that holds the data folder, if it lives. */
export const holderOf = (folder: string): number | undefined => {
  try {
    const pid = Number(/^PID: (\d+)/m.exec(readFileSync(path.join(folder, 'status'), 'utf8'))?.[1])
    if (!Number.isInteger(pid)) return undefined
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? -1 : undefined
  }
}
