// Haraka as a child process on a Haraka directory of ours: config/, queue/ and whatever the plugins keep there.
// Ready means: it greets (whatever its log level is). Plugins are found as packages, from node_modules beside Haraka's.

import { connect } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Child, ChildTrouble } from './child'

export interface HarakaOptions {
  /** The Haraka directory; its config/ is written already. */
  readonly folder: string
  /** Where its smtp.ini lets it listen. */
  readonly host: string
  readonly port: number
  readonly env?: NodeJS.ProcessEnv
  readonly logFile?: string
}

/**
 * Mail of 10 KB lives for a few ms: with V8's default young generation (16 MB) much of it is copied once or twice
 * before it is garbage. A larger one saves about a seventh of Haraka's CPU for at most 128 MB more memory a worker.
 */
export const nodeArguments: readonly string[] = ['--max-semi-space-size=64']

const startTimeoutMs = 30_000
const askEveryMs = 50
const program = path.join(path.dirname(require.resolve('Haraka/package.json')), 'bin/haraka')

/** @throws ChildTrouble with Haraka's last lines where it does not come up */
export const startHaraka = async (options: HarakaOptions): Promise<Child> => {
  const child = await Child.spawn({
    name: 'haraka',
    command: process.execPath,
    args: [...nodeArguments, program, '-c', options.folder],
    cwd: options.folder,
    env: { ...process.env, ...options.env },
    ...(options.logFile ? { logFile: options.logFile } : {}),
  })
  const deadline = Date.now() + startTimeoutMs
  while (!(await greets(options.host, options.port))) {
    if (child.running && Date.now() < deadline) {
      await delay(askEveryMs)
      continue
    }
    const exit = await child.stop('SIGKILL')
    const how = Date.now() < deadline ? `ended (${exit})` : `did not listen within ${startTimeoutMs} ms`
    throw new ChildTrouble(`haraka ${how}`, child.lastLines(20))
  }
  return child
}

/** Whether an SMTP server says 220 there. */
const greets = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 5000 })
    const finish = (answer: boolean): void => {
      socket.end('QUIT\r\n')
      resolve(answer)
    }
    socket.once('data', (banner) => finish(banner.toString().startsWith('220')))
    socket.once('timeout', () => finish(false))
    socket.once('error', () => resolve(false))
  })
