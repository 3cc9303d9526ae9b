// A real Haraka in a folder of its own, for tests: writes the configuration, starts it on a free port, waits until it
// listens, keeps what it logs, and stops it by pid. The plugins named must be compiled (`npm run build`).
// Single process (`nodes: 0`) unless told; everybody may relay.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const packageFolder = path.join(__dirname, '../../node_modules/Haraka')

export interface HarakaOptions {
  /** Lines of config/plugins, e.g. `sluice-host`; the harness adds one that lets everybody relay. */
  readonly plugins?: readonly string[]
  /** Files of config/: name to content. Given ones replace those of the harness. */
  readonly config?: Readonly<Record<string, string>>
  /** Local plugins, plugins/<name>.js: name to CommonJS source. They must be named in `plugins` too. */
  readonly localPlugins?: Readonly<Record<string, string>>
  /** Worker processes; 0 = a single process. */
  readonly nodes?: number
  readonly logLevel?: 'warn' | 'notice' | 'info' | 'debug' | 'protocol'
  /** Folder and port of an earlier process, for a restart. */
  readonly folder?: string
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  /** Arguments of node itself, e.g. `--cpu-prof`. */
  readonly nodeArguments?: readonly string[]
  /** Run under `ulimit -n`. */
  readonly descriptors?: number
  readonly startTimeoutMs?: number
}

/** What the harness says of a process that did not do what it should, with its log. */
export class HarakaTrouble extends Error {
  constructor(what: string, log: readonly string[]) {
    super(`${what}\n--- log ---\n${log.slice(-80).join('\n')}`)
  }
}

const relayPlugin = `
exports.hook_connect_init = (next, connection) => { connection.relaying = true; next() }
exports.hook_rcpt = (next) => next(OK)
`

const iniOf = (options: HarakaOptions): string =>
  [`listen=127.0.0.1:${options.port ?? 0}`, `nodes=${options.nodes ?? 0}`, '[headers]', 'add_received=true', ''].join(
    '\n',
  )

/** Writes a Haraka folder; existing files (a restart) are overwritten, the queue is left alone. */
export const writeHarakaFolder = async (options: HarakaOptions): Promise<string> => {
  const folder = options.folder ?? (await mkdtemp(path.join(tmpdir(), 'sluice-haraka-')))
  await mkdir(path.join(folder, 'config'), { recursive: true })
  await mkdir(path.join(folder, 'plugins'), { recursive: true })
  await cp(path.join(packageFolder, 'config/connection.ini'), path.join(folder, 'config/connection.ini'))
  for (const name of ['outbound.bounce_message', 'outbound.bounce_message_html', 'outbound.bounce_message_image']) {
    await cp(path.join(packageFolder, 'config', name), path.join(folder, 'config', name))
  }
  const files: Record<string, string> = {
    'smtp.ini': iniOf(options),
    'log.ini': `[main]\nlevel=${options.logLevel ?? 'notice'}\ntimestamps=true\n`,
    'outbound.ini': 'concurrency_max=200\ntemp_fail_intervals=5s,5s,5s\nlocal_mx_ok=true\n',
    me: 'haraka.test\n',
    plugins: ['harness-relay', ...(options.plugins ?? [])].join('\n') + '\n',
    ...options.config,
  }
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(path.join(folder, 'config', name), text)))
  const plugins = { 'harness-relay': relayPlugin, ...options.localPlugins }
  await Promise.all(
    Object.entries(plugins).map(([name, source]) => writeFile(path.join(folder, 'plugins', `${name}.js`), source)),
  )
  return folder
}

export class HarakaProcess {
  readonly log: string[] = []
  port = 0
  private partial = ''
  private readonly watchers = new Set<() => void>()
  readonly exited: Promise<number | NodeJS.Signals>

  private constructor(
    readonly folder: string,
    private readonly child: ChildProcess,
  ) {
    this.exited = once(child, 'exit').then(([code, signal]) => (code as number | null) ?? (signal as NodeJS.Signals))
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.take(text))
    }
    child.on('exit', (code, signal) => {
      this.log.push(`[harness] exited: ${code ?? signal}`)
      this.tell()
    })
  }

  /** Starts Haraka and waits until it listens (and, with workers, until all of them do). */
  static async start(options: HarakaOptions = {}): Promise<HarakaProcess> {
    const folder = await writeHarakaFolder(options)
    const node = [...(options.nodeArguments ?? []), path.join(packageFolder, 'bin/haraka'), '-c', folder]
    const [command, args] = options.descriptors
      ? ['bash', ['-c', `ulimit -n ${options.descriptors}; exec "$0" "$@"`, process.execPath, ...node]]
      : [process.execPath, node]
    const child = spawn(command, args, {
      cwd: folder,
      // Haraka behaves differently under NODE_ENV=test.
      env: { ...process.env, NODE_ENV: 'production', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const started = new HarakaProcess(folder, child)
    const listening = /Listening on 127\.0\.0\.1:(\d+)|listening on 127\.0\.0\.1:(\d+)/
    const wanted = Math.max(1, options.nodes ?? 0)
    try {
      await started.until(
        () => started.matches(listening).length >= wanted,
        'to listen',
        options.startTimeoutMs ?? 45_000,
      )
    } catch (trouble) {
      await started.kill()
      throw trouble
    }
    const [first] = started.matches(listening)
    started.port = Number(first?.[1] ?? first?.[2])
    return started
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new HarakaTrouble('Haraka was not started', this.log)
    return this.child.pid
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  matches(pattern: RegExp): RegExpExecArray[] {
    return this.log.map((line) => pattern.exec(line)).filter((found) => found !== null)
  }

  /** Waits for a log line, also among those already there. */
  async logged(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    await this.until(() => this.log.some((line) => pattern.test(line)), `to log ${pattern}`, timeoutMs)
    const [first] = this.matches(pattern)
    if (!first) throw new HarakaTrouble(`no line matches ${pattern}`, this.log)
    return first
  }

  /** Waits until `done` holds; it is asked after every log line. */
  async until(done: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
    if (done()) return
    await new Promise<void>((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer)
        this.watchers.delete(look)
        settle()
      }
      const look = () => {
        if (done()) finish(resolve)
        else if (!this.running) finish(() => reject(new HarakaTrouble(`Haraka ended; waited for it ${what}`, this.log)))
      }
      const timer = setTimeout(
        () => finish(() => reject(new HarakaTrouble(`waited ${timeoutMs} ms for Haraka ${what}`, this.log))),
        timeoutMs,
      )
      this.watchers.add(look)
      look()
    })
  }

  /** Names of the files in the queue folder. */
  async queue(): Promise<string[]> {
    return readdir(path.join(this.folder, 'queue')).catch(() => [])
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(this.pid, signal)
  }

  /** Ends the process (SIGINT, then SIGKILL after `patienceMs`) and waits for it; the folder stays. */
  async end(patienceMs = 5000): Promise<number | NodeJS.Signals> {
    this.signal('SIGINT')
    const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs)
    const how = await this.exited
    clearTimeout(timer)
    return how
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  /** Ends the process and removes its folder. */
  async stop(): Promise<void> {
    await this.end()
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  private take(text: string): void {
    const lines = (this.partial + text).split('\n')
    this.partial = lines.pop() ?? ''
    this.log.push(...lines)
    this.tell()
  }

  private tell(): void {
    for (const look of [...this.watchers]) look()
  }
}
