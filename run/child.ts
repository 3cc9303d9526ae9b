// One child process in a process group of its own, so that the terminal's Ctrl-C reaches us only and we decide the
// order in which things end. Keeps the last lines it said, and writes all of them to a file where one is given.
// Whatever way we end (return, exception, process.exit), groups still alive are killed; when we are killed ourselves,
// Linux tells them (prctl PR_SET_PDEATHSIG, by util-linux's setpriv where it is installed).

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, type WriteStream } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

import { Trouble } from './trouble'

export interface ChildOptions {
  /** What people call it, in messages. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  /** The whole environment of the child; absent = ours. */
  readonly env?: NodeJS.ProcessEnv
  /** Everything it says is appended here. */
  readonly logFile?: string
}

/** Exit code, or the signal that ended it. */
export type Exit = number | NodeJS.Signals

/** A child that did not do what it should, with the last lines it said. */
export class ChildTrouble extends Trouble {
  constructor(what: string, lines: readonly string[]) {
    super([what, ...lines.slice(-20).map((line) => `  | ${line}`)].join('\n'))
  }
}

const linesKept = 200
const setpriv = '/usr/bin/setpriv'
const alive = new Set<number>()
process.on('exit', () => alive.forEach((pid) => signalGroup(pid, 'SIGKILL')))

/** @returns false where nobody of the group is left */
const signalGroup = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false // ESRCH: the group is empty
  }
}

/** Words before a command that end it with us. */
const tiedToUs = (): [string, ...string[]] | [] => (existsSync(setpriv) ? [setpriv, '--pdeathsig', 'TERM', '--'] : [])

export class Child {
  readonly name: string
  readonly pid: number
  readonly exited: Promise<Exit>
  private readonly child: ChildProcess
  private readonly lines: string[] = []
  private readonly listeners = new Set<(line: string) => void>()
  private readonly log: WriteStream | undefined

  private constructor(options: ChildOptions, child: ChildProcess, pid: number) {
    this.name = options.name
    this.child = child
    this.pid = pid
    this.log = options.logFile ? createWriteStream(options.logFile, { flags: 'a' }) : undefined
    this.log?.on('error', (error) => this.take(`[log file] ${error.message}`))
    alive.add(pid)
    for (const stream of [child.stdout, child.stderr]) this.read(stream)
    this.exited = once(child, 'exit').then(([code, signal]) => {
      if (!signalGroup(pid, 0)) alive.delete(pid)
      return (code as number | null) ?? (signal as NodeJS.Signals)
    })
    child.once('close', () => this.log?.end())
  }

  /** @throws ChildTrouble where the command cannot be run at all */
  static async spawn(options: ChildOptions): Promise<Child> {
    const [command, ...args] = [...tiedToUs(), options.command, ...options.args]
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    try {
      await once(child, 'spawn')
    } catch (error) {
      throw new ChildTrouble(`${options.name} cannot be started: ${String(error)}`, [])
    }
    return new Child(options, child, child.pid as number)
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  lastLines(count: number): readonly string[] {
    return this.lines.slice(-count)
  }

  /** Called for every line from now on; answers the way to stop that. */
  onLine(listener: (line: string) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /**
   * The first answer `find` gives for a line, also for lines already said.
   * @throws ChildTrouble where the child ends or `timeoutMs` pass before
   */
  async until<T>(find: (line: string) => T | undefined, what: string, timeoutMs: number): Promise<T> {
    for (const line of this.lines) {
      const found = find(line)
      if (found !== undefined) return found
    }
    return new Promise<T>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer)
        stopListening()
        settle()
      }
      const fail = (how: string): void =>
        finish(() => reject(new ChildTrouble(`${this.name} ${how}; waited for it ${what}`, this.lines)))
      const stopListening = this.onLine((line) => {
        const found = find(line)
        if (found !== undefined) finish(() => resolve(found))
      })
      const timer = setTimeout(() => fail(`took more than ${timeoutMs} ms`), timeoutMs)
      void this.saidAll().then((exit) => fail(`ended (${exit})`))
    })
  }

  /** To the process itself, not to its children. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(this.pid, signal)
  }

  /** Asks it to end, insists after `patienceMs`, and leaves nobody of its group behind. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMs = 5000): Promise<Exit> {
    this.signal(signal)
    const timer = setTimeout(() => signalGroup(this.pid, 'SIGKILL'), patienceMs)
    const exit = await this.exited
    clearTimeout(timer)
    signalGroup(this.pid, 'SIGKILL')
    alive.delete(this.pid)
    return exit
  }

  /** SIGKILL to the process alone, as a crash would be; its children are left to notice. */
  async kill(): Promise<Exit> {
    this.signal('SIGKILL')
    return this.exited
  }

  /** After the exit, when its last lines are read; a grandchild that keeps the pipe open is not waited for. */
  async saidAll(): Promise<Exit> {
    const closed = once(this.child, 'close')
    const exit = await this.exited
    if (!this.child.stdout?.closed) await Promise.race([closed, delay(200)])
    return exit
  }

  private read(stream: NodeJS.ReadableStream | null): void {
    let partial = ''
    stream?.setEncoding('utf8')
    stream?.on('data', (text: string) => {
      const lines = (partial + text).split('\n')
      partial = lines.pop() ?? ''
      lines.forEach((line) => this.take(line))
    })
    stream?.on('end', () => {
      if (partial) this.take(partial)
    })
  }

  private take(line: string): void {
    this.lines.push(line)
    if (this.lines.length > linesKept) this.lines.shift()
    this.log?.write(`${line}\n`)
    for (const listener of [...this.listeners]) listener(line)
  }
}
