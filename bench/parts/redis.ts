// A Redis of its own for benchmarks, in memory only.

import { existsSync } from 'node:fs'

import { freePort } from './port'
import { Child } from './process'

const places = ['/usr/bin/redis-server', '/usr/local/bin/redis-server']

export class BenchRedis {
  private constructor(
    private readonly child: Child,
    readonly url: string,
  ) {}

  /** Undefined where there is no redis-server. */
  static async start(): Promise<BenchRedis | undefined> {
    const command = places.find(existsSync)
    if (!command) return undefined
    const port = await freePort()
    const child = Child.start(command, [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
    ])
    await child.said(/Ready to accept connections/)
    return new BenchRedis(child, `redis://127.0.0.1:${port}`)
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGTERM')
  }
}
