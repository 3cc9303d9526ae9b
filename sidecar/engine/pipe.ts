// Named pipes that answers flow through: the engine writes its answer into one as if it were a file, on a thread of its
// own and in any format, and blocks where nobody reads. That is what makes answers stream with back-pressure. Pipes
// are made once and used again; when the last descriptor of one is closed its content is gone.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'

const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants

export class Pipes {
  readonly #free: string[]

  private constructor(paths: string[]) {
    this.#free = paths
  }

  /** Makes `count` pipes in `folder`, which must not have any yet. */
  static async make(folder: string, count: number): Promise<Pipes> {
    const paths = Array.from({ length: count }, (_, number) => path.join(folder, `pipe-${number}`))
    await promisify(execFile)('mkfifo', ['-m', '600', ...paths])
    return new Pipes(paths)
  }

  /** @throws Error where all are taken: the caller's turnstile must not let that many in */
  open(): Pipe {
    const name = this.#free.pop()
    if (name === undefined) throw new Error('no free pipe')
    return new Pipe(name, () => this.#free.push(name))
  }
}

export class Pipe {
  readonly name: string
  /** What the engine wrote; ends after `finish`. */
  readonly reader: Socket
  readonly #giveBack: () => void
  /** Holds the pipe open at both ends, so that the reader waits for the engine instead of seeing an end at once. */
  #keeper: number | undefined

  constructor(name: string, giveBack: () => void) {
    this.name = name
    this.#giveBack = giveBack
    this.#keeper = openSync(name, O_RDWR | O_NONBLOCK)
    this.reader = new Socket({ fd: openSync(name, O_RDONLY | O_NONBLOCK), readable: true, writable: false })
  }

  /** The engine has written all it will: the reader ends after what is still in the pipe. */
  finish(): void {
    if (this.#keeper !== undefined) closeSync(this.#keeper)
    this.#keeper = undefined
  }

  /** Nobody reads any more: a writer that is blocked in it gets an error. */
  abandon(): void {
    this.finish()
    this.reader.destroy()
  }

  /** Only when the engine no longer writes; settles when nothing of this use is left in the pipe. */
  async giveBack(): Promise<void> {
    this.abandon()
    if (!this.reader.closed) await once(this.reader, 'close')
    this.#giveBack()
  }
}
