// Starts the engine process and keeps it alive: a crash is logged and answered with a new start on the same port and
// password, after a pause that doubles. Clients see refused connections meanwhile and try again, as with any server.

import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { totalmem } from 'node:os'
import path from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

import { messageOf, SluiceError } from '@sluice/core/errors'

import type { Log } from '../log'
import { silent } from '../log'
import type { EngineLimits, Orders, Report } from './orders'

export interface EngineOptions {
  /** Where the data is; made if absent. One engine at a time. */
  readonly folder: string
  readonly log?: Log
  /** Folders that INSERT … FROM INFILE may read (the spool); made if absent. */
  readonly readable?: readonly string[]
  readonly limits?: Partial<EngineLimits>
  /** 0 = any free one. */
  readonly port?: number
  /** How long to wait for another process to let the folder go, in milliseconds. */
  readonly lockWaitMs?: number
}

export interface Engine {
  readonly url: string
  readonly username: string
  readonly password: string
  /** Of the process that runs now; another one after a crash. */
  readonly pid: number
  /** Version of ClickHouse. */
  readonly version: string
  /** Folders it may read by INFILE. */
  readonly readable: readonly string[]
  /** Ends it cleanly; settles when the process is gone. */
  stop(): Promise<void>
}

/** What this machine has, or its container may use. */
function machineMemory(): number {
  const container = process.constrainedMemory()
  return container > 0 ? Math.min(container, totalmem()) : totalmem()
}

const usualLimits: EngineLimits = {
  reads: 8,
  writes: 3,
  waiting: 256,
  bodyBytes: 1024 * 1024 * 1024,
  memoryBytes: Math.floor(machineMemory() / 2),
  queryMemoryBytes: Math.min(4 * 1024 ** 3, Math.floor(machineMemory() / 4)),
  stallMs: 60_000,
}

/** Reads + writes, and room for files and compression. */
const threads = '16'
const pause = { firstMs: 100, longestMs: 10_000, steadyMs: 60_000 }

/**
 * Starts the embedded ClickHouse.
 * @throws SluiceError SLUICE_ENGINE_MISSING, SLUICE_ENGINE_LOCKED (names the process), SLUICE_INTERNAL
 */
export const startEngine = async (options: EngineOptions): Promise<Engine> => {
  const log = options.log ?? silent
  const readable = (options.readable ?? []).map((folder) => path.resolve(folder))
  await Promise.all([options.folder, ...readable].map((folder) => mkdir(folder, { recursive: true })))
  const orders: Orders = {
    folder: path.resolve(options.folder),
    port: options.port ?? 0,
    username: 'sluice',
    password: randomBytes(24).toString('base64url'),
    readable,
    limits: { ...usualLimits, ...options.limits },
  }
  const first = await launchUnlocked(orders, log, options.lockWaitMs ?? 10_000)
  const keeper = new Keeper({ ...orders, port: first.port }, log, first.child)
  return {
    url: `http://127.0.0.1:${first.port}`,
    username: orders.username,
    password: orders.password,
    version: first.version,
    readable,
    get pid() {
      return keeper.pid
    },
    stop: () => keeper.stop(),
  }
}

interface Launched {
  readonly child: ChildProcess
  readonly port: number
  readonly version: string
}

/** A holder that is just dying (the engine of a killed sidecar) is waited for. */
const launchUnlocked = async (orders: Orders, log: Log, waitMs: number): Promise<Launched> => {
  const deadline = Date.now() + waitMs
  for (let waitFor = 50; ; waitFor = Math.min(waitFor * 2, 500)) {
    try {
      return await launch(orders, log)
    } catch (error) {
      const locked = error instanceof SluiceError && error.code === 'SLUICE_ENGINE_LOCKED'
      if (!locked || Date.now() + waitFor > deadline) throw error
      await after(waitFor)
    }
  }
}

/** The compiled child: beside this file, or in dist/ where this file runs from source (tests). */
const entry = (): string => {
  const beside = path.join(__dirname, 'main.js')
  return existsSync(beside) ? beside : path.join(__dirname, '../dist/engine/main.js')
}

const launch = async (orders: Orders, log: Log): Promise<Launched> => {
  const child = fork(entry(), [], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, UV_THREADPOOL_SIZE: threads },
    execArgv: [],
  })
  const lines = collect(child, log)
  child.send(orders)
  const report = await new Promise<Report>((resolve) => {
    child.once('message', (message: Report) => resolve(message))
    child.once('error', (error) => resolve({ type: 'failed', code: 'SLUICE_INTERNAL', message: messageOf(error) }))
    child.once('exit', (code, signal) => {
      const message = `the engine ended at once (${signal ?? code})${lines.length > 0 ? `: ${lines.join(' ')}` : ''}`
      resolve({ type: 'failed', code: 'SLUICE_INTERNAL', message })
    })
  })
  if (report.type === 'ready') return { child, port: report.port, version: report.version }
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const told = report.code === 'SLUICE_INTERNAL' && lines.length > 0 ? `: ${lines.join(' ')}` : ''
  throw new SluiceError(report.code, report.message + told)
}

/** What the engine prints is logged, and the last of it kept for the error message. */
const collect = (child: ChildProcess, log: Log): string[] => {
  const last: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (text: string) => {
      for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
        log.debug({ engine: child.pid }, line.slice(0, 2_000))
        last.push(line.slice(0, 500))
        if (last.length > 5) last.shift()
      }
    })
  }
  return last
}

/** Watches one engine after the other. */
class Keeper {
  readonly #orders: Orders
  readonly #log: Log
  readonly #stopping = new AbortController()
  #child: ChildProcess
  #watching: Promise<void>

  constructor(orders: Orders, log: Log, child: ChildProcess) {
    this.#orders = orders
    this.#log = log
    this.#child = child
    this.#watching = this.#watch()
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    if (this.#child.connected) this.#child.disconnect()
    await this.#watching
  }

  async #watch(): Promise<void> {
    const { signal: stopping } = this.#stopping
    let waitMs = pause.firstMs
    for (;;) {
      const since = Date.now()
      if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
      if (stopping.aborted) return
      if (Date.now() - since > pause.steadyMs) waitMs = pause.firstMs
      const { exitCode, signalCode } = this.#child
      this.#log.error(
        { exit: signalCode ?? exitCode, again_ms: waitMs },
        'the ClickHouse engine ended; starting it again',
      )
      waitMs = await this.#restart(waitMs)
    }
  }

  /** Tries until it runs or the keeper stops; gives the next pause. */
  async #restart(firstWaitMs: number): Promise<number> {
    const { signal } = this.#stopping
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, pause.longestMs)) {
      try {
        await after(waitMs, undefined, { signal })
        const { child } = await launch(this.#orders, this.#log)
        this.#child = child
        if (signal.aborted) child.disconnect()
        return Math.min(waitMs * 2, pause.longestMs)
      } catch (error) {
        if (signal.aborted) return waitMs
        this.#log.error({ err: error, again_ms: waitMs * 2 }, 'the ClickHouse engine does not start')
      }
    }
  }
}
