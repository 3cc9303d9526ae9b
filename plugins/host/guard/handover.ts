// Guard `handover`: when a worker ends, another one takes over its queue files. Haraka does that only after a crash:
// the workers that a graceful restart replaces leave their mail lying until the next full restart.

import cluster, { type Worker } from 'node:cluster'

import type { HarakaHost } from '../host'
import type { HarakaPlugin } from '../haraka'
import { expectShape } from './shape'

export const installHandover = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const server = haraka.haraka_require('server')
  expectShape(server, { name: '_graceful', mentions: ["cluster.removeAllListeners('exit')", 'cluster.fork()'] })
  if (!cluster.isPrimary) return

  cluster.on('fork', (worker) => {
    // On the process: _graceful removes the listeners of the cluster, and its own come and go.
    worker.process.once('exit', (code: number | null, signal: string | null) => {
      const crashed = signal !== null || code !== 0
      if (host.terminating || (crashed && isReplacedByHaraka())) return
      handOver(worker, haraka)
    })
  })
}

/** After a crash Haraka starts a new worker with the old one's files, unless a graceful restart is under way. */
const isReplacedByHaraka = (): boolean => cluster.listenerCount('exit') > 0

const handOver = (gone: Worker, haraka: HarakaPlugin): void => {
  const message = { event: 'outbound.load_pid_queue', data: gone.process.pid }
  const heirs = Object.values(cluster.workers ?? {}).filter((one) => one !== undefined && one.id !== gone.id)
  const heir = heirs.find((one) => one?.isConnected())
  if (heir) {
    haraka.lognotice(`worker ${gone.process.pid} ended: ${heir.process.pid} takes over its queue`)
    heir.send(message)
  } else {
    cluster.once('online', (worker) => worker.send(message))
  }
}
