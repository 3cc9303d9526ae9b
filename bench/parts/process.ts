// A child process of a benchmark: started, waited for, measured, ended by its pid.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

export class Child {
  readonly output: string[] = []
  private rest = ''

  private constructor(
    readonly child: ChildProcess,
    private readonly name: string,
  ) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (this.rest + text).split(/[\n\r]/)
        this.rest = lines.pop() ?? ''
        this.output.push(...lines)
        // A running counter would fill the memory.
        if (this.output.length > 5000) this.output.splice(0, 2500)
      })
    }
  }

  static start(command: string, args: readonly string[], env: Record<string, string> = {}, cwd?: string): Child {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd ? { cwd } : {}),
    })
    return new Child(child, command)
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The first match in what it has said, once it says it. */
  async said(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const found = this.last(pattern)
      if (found) return found
      if (!this.running || Date.now() > deadline) {
        throw new Error(`${this.name} did not say ${pattern}:\n${this.output.slice(-40).join('\n')}`)
      }
      await pause(10)
    }
  }

  /** The last match in what it has said so far, the line being written included. */
  last(pattern: RegExp): RegExpExecArray | undefined {
    for (const line of [this.rest, ...this.output.toReversed()]) {
      const found = pattern.exec(line)
      if (found) return found
    }
    return undefined
  }

  /** CPU it and its ended children have used, ms. */
  get cpuMs(): number {
    return cpuOf(this.pid)
  }

  /** CPU of its first thread, ms: what bounds a Node process. */
  get mainThreadMs(): number {
    return cpuOf(this.pid, `/proc/${this.pid}/task/${this.pid}/stat`)
  }

  async ended(): Promise<void> {
    if (this.running) await once(this.child, 'exit')
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (!this.running) return
    process.kill(this.pid, signal)
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000)
    await this.ended()
    clearTimeout(timer)
  }
}

/** utime + stime + those of waited-for children, /proc/pid/stat fields 14 to 17, in ticks of 10 ms. */
export const cpuOf = (pid: number, file = `/proc/${pid}/stat`): number => {
  try {
    const stat = readFileSync(file, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0) * 10
  } catch {
    // The process has ended, or this is not Linux: no figure.
    return 0
  }
}
