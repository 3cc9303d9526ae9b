// Guard `termination`: SIGTERM ends Haraka without losing or doubling a mail: no new connections, no new deliveries,
// those under way are finished, kept connections say QUIT, and when the last file operation is done (a delivered mail's
// queue file is removed in the background) the process exits with 0. Haraka has no handler for SIGTERM, or, as process
// 1, one that exits at once, so that a message whose reply is on its way is delivered again after the start.

import type { Worker } from 'node:cluster'
import { setTimeout as pause } from 'node:timers/promises'

import { messageOf, SluiceError } from '@sluice/core/errors'

import type { HarakaHost } from '../host'
import type { HarakaPlugin, OutboundQueue } from '../haraka'
import { expectShape } from './shape'

const recheckMs = 25

export const installTermination = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const server = haraka.haraka_require('server')
  const queue = haraka.haraka_require('outbound/queue')
  expectShape(server, { name: 'stopListeners', mentions: ['Server.listeners'] })
  expectShape(queue.delivery_queue, { name: '_process', mentions: ['this.running', 'this.tasks.shift()'] })

  const ofHaraka = handlersOfHaraka()

  const terminate = async (): Promise<void> => {
    haraka.lognotice('SIGTERM: finishing what is under way')
    const patienceMs = server.cfg.main.force_shutdown_timeout * 1000
    if (server.cluster?.isPrimary) await endWorkers(Object.values(server.cluster.workers ?? {}), patienceMs)
    else await drain(haraka, host, queue, patienceMs)
    process.exit(0)
  }
  for (const handler of ofHaraka) process.off('SIGTERM', handler)
  process.on('SIGTERM', () => {
    if (host.terminating) return
    host.terminating = true
    void terminate().catch((thrown: unknown) => {
      haraka.logerror(`SIGTERM: ${messageOf(thrown)}`)
      process.exit(1)
    })
  })
}

/** Only as process 1 (a container without an init) Haraka has one (haraka.js). */
const handlersOfHaraka = (): NodeJS.SignalsListener[] => {
  if (process.pid !== 1) return []
  const found = process.listeners('SIGTERM').filter((one) => String(one).includes('server.performShutdown()'))
  if (found.length === 0) throw new SluiceError('SLUICE_HOST_UNKNOWN', 'no SIGTERM handler for process 1')
  return found
}

const drain = async (
  haraka: HarakaPlugin,
  host: HarakaHost,
  queue: OutboundQueue,
  patienceMs: number,
): Promise<void> => {
  haraka.haraka_require('server').stopListeners()
  queue.temp_fail_queue.shutdown()
  const { delivery_queue: deliveries } = queue
  deliveries._process = () => undefined
  const deadline = Date.now() + patienceMs
  while (deliveries.running > 0 && Date.now() < deadline) await pause(recheckMs)
  if (deliveries.running > 0) haraka.logwarn(`SIGTERM: ${deliveries.running} deliveries did not end in time`)
  await Promise.race([host.close(), pause(Math.max(0, deadline - Date.now()))])
  haraka.haraka_require('plugins').shutdown_plugins()
  if (!(await filesSettled(deadline))) haraka.logwarn('SIGTERM: file operations did not end in time')
}

/** @returns whether all are done, ours and everybody's; the process would end without waiting for them */
const filesSettled = async (deadline: number): Promise<boolean> => {
  for (let quiet = 0; quiet < 2;) {
    if (Date.now() > deadline) return false
    await pause(recheckMs)
    quiet = process.getActiveResourcesInfo().some(isFileOperation) ? 0 : quiet + 1
  }
  return true
}

const isFileOperation = (resource: string): boolean => resource.startsWith('FSReq') || resource === 'CloseReq'

const endWorkers = async (workers: readonly (Worker | undefined)[], patienceMs: number): Promise<void> => {
  const ends = workers.map(
    (worker) =>
      new Promise<void>((resolve) => {
        if (!worker || worker.isDead()) {
          resolve()
          return
        }
        worker.process.once('exit', () => resolve())
        worker.process.kill('SIGTERM')
      }),
  )
  // The workers keep to the same patience; a little more, so that none is cut off while it says so.
  await Promise.race([Promise.all(ends), pause(patienceMs + 5000)])
}
