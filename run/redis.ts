// A Redis server of our own on loopback: the system's redis-server. It keeps nothing unless told; a folder that it
// made for itself goes with it.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'

import { Child, ChildTrouble, type Exit } from './child'
import { freePort } from './port'

export interface RedisOptions {
  /** TCP port on 127.0.0.1; 0 or absent = a free one. */
  readonly port?: number
  /** Its working folder; absent = one of its own. */
  readonly folder?: string
  /** Append every write to a file in the folder, so that it is there after a restart. */
  readonly keep?: boolean
  readonly logFile?: string
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly child: Child
  /** Ends it and waits; connections are closed. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** Stops answering without closing connections (SIGSTOP); `resume` lets it go on. */
  pause(): void
  resume(): void
}

const startTimeoutMs = 10_000
const portsTried = 5

/** @throws ChildTrouble where redis-server is not installed or does not start */
export const startRedis = async (options: RedisOptions = {}): Promise<RedisServer> => {
  if (options.port) return launch(options, options.port)
  for (let tried = 1; ; tried++) {
    try {
      return await launch(options, await freePort())
    } catch (trouble) {
      const taken = trouble instanceof ChildTrouble && trouble.message.includes('Address already in use')
      if (!taken || tried === portsTried) throw trouble
    }
  }
}

const launch = async (options: RedisOptions, port: number): Promise<RedisServer> => {
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'sluice-redis-')))
  await mkdir(folder, { recursive: true })
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: options.keep ? 'yes' : 'no',
    'stop-writes-on-bgsave-error': 'no',
  }
  const child = await Child.spawn({
    name: 'redis-server',
    command: 'redis-server',
    args: Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]),
    cwd: folder,
    ...(options.logFile ? { logFile: options.logFile } : {}),
  })
  const end = async (how: () => Promise<Exit>): Promise<void> => {
    child.signal('SIGCONT')
    await how()
    if (!options.folder) await rm(folder, { recursive: true, force: true })
  }
  try {
    await child.until((line) => line.includes('Ready to accept connections') || undefined, 'to listen', startTimeoutMs)
  } catch (trouble) {
    await end(() => child.kill())
    throw trouble
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    child,
    stop: () => end(() => child.stop()),
    kill: () => end(() => child.kill()),
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
  }
}

/** Whether a Redis answers PING at `url` (redis:// or rediss://, credentials included) within `timeoutMs`. */
export const reachable = async (url: string, timeoutMs = 1000): Promise<boolean> => {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    disableClientInfo: true,
    disconnectTimeout: timeoutMs,
    retryStrategy: () => null,
  })
  client.on('error', () => undefined) // the answer is the returned value
  try {
    await client.connect()
    await client.ping()
    return true
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}
