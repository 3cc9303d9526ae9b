// Guard `temporary_files`: at start, only what a dead process left behind is deleted. Haraka deletes every temporary
// file in the queue, also those that another worker, or the same process, is writing at that moment: the sender of
// each of those messages gets a permanent error.

import { readdir, unlink } from 'node:fs/promises'
import path from 'node:path'

import { messageOf } from '@sluice/core/errors'

import type { HarakaPlugin, QueueFiles } from '../haraka'
import { expectShape } from './shape'

/** Nobody writes one message for a day; its process id belongs to somebody else by now. */
const oldMs = 24 * 3600 * 1000

export const installTemporaryFiles = (haraka: HarakaPlugin): void => {
  const queue = haraka.haraka_require('outbound/queue')
  const { qfile } = haraka.haraka_require('outbound')
  expectShape(queue, { name: 'delete_dot_files', mentions: ['startsWith(_qfile.platformDOT)', 'fs.unlink'] })

  queue.delete_dot_files = async () => {
    const started = Date.now() - process.uptime() * 1000
    // Whoever reads the queue next says the same, and fails for it.
    const files = await readdir(queue.queue_dir).catch((thrown: unknown) => {
      haraka.logerror(`${queue.queue_dir}: ${messageOf(thrown)}`)
      return []
    })
    for (const file of files) {
      if (!file.startsWith(qfile.platformDOT) || isBeingWritten(file, qfile, started)) continue
      haraka.logwarn(`removing a temporary file that a dead process left: ${file}`)
      await unlink(path.join(queue.queue_dir, file)).catch((thrown: unknown) => {
        haraka.logerror(`${file}: ${messageOf(thrown)}`)
      })
    }
  }
}

const isBeingWritten = (file: string, qfile: QueueFiles, started: number): boolean => {
  const parts = qfile.parts(file.slice(qfile.platformDOT.length))
  if (!parts || parts.arrival < Date.now() - oldMs) return false
  // A process id comes back, in a container always the same one.
  return parts.pid === process.pid ? parts.arrival >= started : isAlive(parts.pid)
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}
