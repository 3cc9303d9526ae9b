// All of it together: Redis, the lab where wanted, the sidecar, Haraka; started in the order in which they need each
// other and stopped in the reverse one. `npm start`, the demo and the end-to-end tests use this and nothing else.
// Where a start fails, what was started before is stopped again.

import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'

import { ConfigurationCopy, iniEdit, type Edit } from './configuration'
import { startHaraka } from './haraka'
import { Keeper } from './keeper'
import { startLab, type LabOptions, type LabProcess } from './lab'
import { freePort, portNear } from './port'
import { startRedis } from './redis'
import { httpEdit, startSidecar, usualHttpPort, type Sidecar } from './sidecar'

export interface StackOptions {
  /** Everything the run writes is below this folder. */
  readonly folder: string
  /** Configuration folders, laid over each other. */
  readonly layers: readonly string[]
  readonly edits?: readonly Edit[]
  /** usual: the configured ports, others where they are taken; free: any. */
  readonly ports: 'usual' | 'free'
  /** A Redis that runs already; absent: one of our own. */
  readonly redisUrl?: string
  /** Keep the data of Redis over restarts. */
  readonly keepRedis?: boolean
  /** Start a receiver lab and let Haraka resolve and deliver there. */
  readonly lab?: LabOptions
  readonly env?: NodeJS.ProcessEnv
  readonly say: (text: string) => void
}

/** ms from the signal to SIGKILL */
const patience = { haraka: 7000, sidecar: 8000, redis: 3000 } as const

export class Stack {
  private readonly closers: (() => Promise<void> | void)[] = []
  private stopped: Promise<void> | undefined
  /** Absent where a Redis was given. */
  redis: Keeper | undefined
  redisUrl = ''
  lab: LabProcess | undefined
  smtpHost = ''
  smtpPort = 0
  readonly haraka: Keeper
  readonly sidecar: Keeper
  private sidecarNow: Sidecar | undefined

  private constructor(private readonly options: StackOptions) {
    const { say } = options
    this.haraka = new Keeper({ name: 'haraka', say, launch: () => this.launchHaraka() })
    this.sidecar = new Keeper({ name: 'sidecar', say, launch: () => this.launchSidecar() })
  }

  /** @throws whatever kept a part from starting */
  static async start(options: StackOptions): Promise<Stack> {
    const stack = new Stack(options)
    try {
      await stack.open()
    } catch (trouble) {
      await stack.stop()
      throw trouble
    }
    return stack
  }

  /** The Haraka directory of this run. */
  get harakaFolder(): string {
    return path.join(this.options.folder, 'haraka')
  }

  get configFolder(): string {
    return path.join(this.harakaFolder, 'config')
  }

  /** Base URL of the API. */
  get http(): string {
    return this.sidecarNow?.http ?? ''
  }

  get tokenFile(): string {
    return this.sidecarNow?.tokenFile ?? ''
  }

  logFile(name: string): string {
    return path.join(this.options.folder, 'log', `${name}.log`)
  }

  /** Stops everything, in order; what does not end in time is killed. */
  stop(): Promise<void> {
    this.stopped ??= this.close()
    return this.stopped
  }

  private async open(): Promise<void> {
    const { options } = this
    await mkdir(path.join(options.folder, 'log'), { recursive: true })
    await this.openRedis()
    await this.openLab()
    const copy = await ConfigurationCopy.write(this.configFolder, options.layers, await this.edits())
    this.closers.push(copy.follow(options.say))
    for (const folder of ['queue', 'spool']) await mkdir(path.join(this.harakaFolder, folder), { recursive: true })

    this.closers.push(() => this.sidecar.stop('SIGTERM', patience.sidecar))
    this.closers.push(() => this.haraka.stop('SIGTERM', patience.haraka))
    await Promise.all([this.sidecar.start(), this.haraka.start()])
  }

  private async openRedis(): Promise<void> {
    const { redisUrl, keepRedis, folder } = this.options
    if (redisUrl) {
      this.redisUrl = redisUrl
      return
    }
    let port = 0
    const redis = new Keeper({
      name: 'redis-server',
      say: this.options.say,
      launch: async () => {
        const server = await startRedis({
          port,
          folder: path.join(folder, 'redis'),
          keep: keepRedis === true,
          logFile: this.logFile('redis'),
        })
        ;({ port, url: this.redisUrl } = server)
        return server.child
      },
    })
    this.redis = redis
    this.closers.push(() => redis.stop('SIGTERM', patience.redis))
    await redis.start()
  }

  private async openLab(): Promise<void> {
    if (!this.options.lab) return
    const lab = await startLab(this.options.lab, this.logFile('lab'))
    this.lab = lab
    this.closers.push(() => lab.stop())
  }

  /** The values that belong to this run. */
  private async edits(): Promise<Edit[]> {
    const { ports, edits = [], layers } = this.options
    const configured = await configuredListener(layers)
    this.smtpHost = configured.host
    this.smtpPort = ports === 'free' ? await freePort() : await portNear(configured.port, configured.host)
    const usual = await usualHttpPort(layers)
    const httpPort = ports === 'free' ? await freePort() : await portNear(usual)
    const { host } = configured
    const listen = `${host.includes(':') ? `[${host}]` : host}:${this.smtpPort}`
    return [
      ...(this.smtpPort === configured.port ? [] : [iniEdit('smtp.ini', 'listen', listen)]),
      ...(httpPort === usual ? [] : [httpEdit(httpPort)]),
      // People wait for us to end.
      iniEdit('smtp.ini', 'force_shutdown_timeout', patience.haraka / 1000 - 2),
      ...(this.lab?.edits ?? []),
      ...edits,
    ]
  }

  private launchHaraka() {
    return startHaraka({
      folder: this.harakaFolder,
      host: this.smtpHost,
      port: this.smtpPort,
      env: this.environment(),
      logFile: this.logFile('haraka'),
    })
  }

  private async launchSidecar() {
    this.sidecarNow = await startSidecar({
      configFolder: this.configFolder,
      env: this.environment(),
      logFile: this.logFile('sidecar'),
    })
    return this.sidecarNow.child
  }

  private environment(): NodeJS.ProcessEnv {
    return { ...process.env, REDIS_URL: this.redisUrl, ...this.options.env }
  }

  private async close(): Promise<void> {
    for (const closer of this.closers.reverse()) {
      try {
        await closer()
      } catch (error) {
        this.options.say(`while stopping: ${String(error)}`)
      }
    }
  }
}

/** Where the topmost smtp.ini listens (first). */
const configuredListener = async (layers: readonly string[]): Promise<{ host: string; port: number }> => {
  let text = ''
  for (const layer of layers) text = await readFile(path.join(layer, 'smtp.ini'), 'utf8').catch(() => text)
  const [, host = '127.0.0.1', port = '2525'] = /^listen\s*=\s*\[?([^\s\],]+)\]?:(\d+)/m.exec(text) ?? []
  return { host, port: Number(port) }
}
