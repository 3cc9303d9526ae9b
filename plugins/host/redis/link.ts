// A plugin's link to Redis: one connection for commands (everything of one tick shares a round trip) and, where it
// subscribes, one for notifications. Nobody waits for a Redis that is away: a command that is not answered in time
// fails, from then on all commands fail at once, and a probe finds out when it is back. Absence and return are told
// once each.

import { Redis, type RedisOptions } from 'ioredis'

import { messageOf, SluiceError } from '@sluice/core/errors'

export interface LinkLog {
  notice(text: string): void
  error(text: string): void
}

export interface LinkOptions {
  readonly url: string
  /** ms a command may take before Redis counts as away */
  readonly patienceMs?: number
  /** Lua scripts that become methods of the client. */
  readonly scripts?: NonNullable<RedisOptions['scripts']>
  /** For people: what holds while Redis is away. */
  readonly meanwhile: string
}

const defaultPatienceMs = 50
const probeEveryMs = 250
const probePatienceMs = 500
const connectTimeoutMs = 2000

/** `Commands`: the client with the methods that the scripts make. */
export class RedisLink<Commands extends Redis = Redis> {
  private readonly commands: Commands
  private readonly subscriber: Redis
  private readonly patienceMs: number
  private answering = false
  private opened = false
  private closed = false
  private told: 'nothing' | 'away' | 'present' = 'nothing'
  private probing: NodeJS.Timeout | undefined
  private readonly returned: (() => void)[] = []
  private readonly channels = new Map<string, (message: string) => void>()

  constructor(
    private readonly options: LinkOptions,
    private readonly log: LinkLog,
  ) {
    const { url, patienceMs, scripts } = options
    this.patienceMs = patienceMs ?? defaultPatienceMs
    const common = {
      lazyConnect: true,
      connectTimeout: connectTimeoutMs,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
    }
    this.commands = new Redis(url, { ...common, enableAutoPipelining: true, ...(scripts && { scripts }) }) as Commands
    this.subscriber = new Redis(url, { ...common, autoResubscribe: false })
    for (const client of [this.commands, this.subscriber]) client.on('error', (error) => this.lost(error))
    this.commands.on('ready', () => void this.probe())
    this.commands.on('close', () => this.lost(new Error('connection closed')))
    this.subscriber.on('ready', () => void this.subscribeAll())
    this.subscriber.on('message', (channel: string, message: string) => this.channels.get(channel)?.(message))
  }

  /** False while commands would not be answered. */
  get present(): boolean {
    return this.answering
  }

  /** Begins to connect; never throws, never waits. */
  open(): void {
    this.opened = true
    connect(this.commands)
    if (this.channels.size > 0) connect(this.subscriber)
  }

  /** Called each time Redis answers again, the first time included. */
  onReturn(listener: () => void): void {
    this.returned.push(listener)
  }

  /** One listener per channel; also over reconnections. */
  subscribe(channel: string, listener: (message: string) => void): void {
    this.channels.set(channel, listener)
    if (this.subscriber.status === 'ready') void this.subscribeAll()
    else if (this.opened && this.subscriber.status === 'wait') connect(this.subscriber)
  }

  /**
   * Runs a command.
   * @throws SluiceError SLUICE_REDIS_AWAY where Redis is away or does not answer in time; other errors are Redis' own
   */
  async run<T>(command: (redis: Commands) => Promise<T>): Promise<T> {
    if (!this.answering) throw away('Redis is away')
    try {
      return await answerWithin(command(this.commands), this.patienceMs)
    } catch (thrown) {
      if (isReply(thrown)) throw thrown
      this.lost(thrown)
      throw away(messageOf(thrown), thrown)
    }
  }

  /** Sends a command whose answer nobody needs; lost where Redis is away. */
  send(command: (redis: Commands) => Promise<unknown>): void {
    if (this.answering) command(this.commands).catch((thrown: unknown) => this.sendFailed(thrown))
  }

  close(): void {
    this.closed = true
    this.answering = false
    clearTimeout(this.probing)
    this.commands.disconnect()
    this.subscriber.disconnect()
  }

  private sendFailed(thrown: unknown): void {
    if (isReply(thrown)) this.log.error(`redis: ${messageOf(thrown)}`)
    else this.lost(thrown)
  }

  private async subscribeAll(): Promise<void> {
    try {
      if (this.channels.size > 0) await this.subscriber.subscribe(...this.channels.keys())
    } catch (thrown) {
      this.lost(thrown)
    }
  }

  private lost(thrown: unknown): void {
    if (this.closed) return
    this.answering = false
    if (this.told !== 'away') {
      this.told = 'away'
      this.log.error(`SLUICE_REDIS_AWAY: ${messageOf(thrown)}; ${this.options.meanwhile} until it is back`)
    }
    this.probing ??= setTimeout(() => void this.probe(), probeEveryMs).unref()
  }

  private async probe(): Promise<void> {
    clearTimeout(this.probing)
    this.probing = undefined
    if (this.closed || this.answering) return
    try {
      await answerWithin(this.commands.ping(), probePatienceMs)
    } catch (thrown) {
      this.lost(thrown)
      return
    }
    this.answering = true
    this.log.notice(this.told === 'away' ? 'redis: back' : 'redis: connected')
    this.told = 'present'
    for (const listener of this.returned) listener()
  }
}

const connect = (client: Redis): void => {
  client.connect().catch(() => undefined) // told by the event 'error'
}

const away = (text: string, cause?: unknown): SluiceError => new SluiceError('SLUICE_REDIS_AWAY', text, { cause })

/** An error that Redis answered is no sign of absence (LOADING and READONLY are: it cannot do its work). */
const isReply = (thrown: unknown): boolean =>
  thrown instanceof Error &&
  thrown.name === 'ReplyError' &&
  !/^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN)/.test(thrown.message)

/**
 * The answer, or a rejection after `ms`. A busy event loop runs its timers before it reads what has arrived
 * meanwhile, so the time is only up when the sockets have been read once more.
 */
const answerWithin = <T>(answer: Promise<T>, ms: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      setImmediate(() => setImmediate(() => reject(new Error(`no answer within ${ms} ms`))))
    }, ms)
    answer.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (thrown: unknown) => {
        clearTimeout(timer)
        reject(thrown instanceof Error ? thrown : new Error(messageOf(thrown)))
      },
    )
  })
