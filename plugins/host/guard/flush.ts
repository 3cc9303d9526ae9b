// Guard `flush`: flushing a domain (`haraka --qunstick`) brings its waiting mails forward. Haraka instead builds a
// second item for each queue file and leaves the first one waiting, which later finds no file and bounces a mail that
// was delivered.

import type { HarakaPlugin, Timer } from '../haraka'
import { expectShape } from './shape'

export const installFlush = (haraka: HarakaPlugin): void => {
  const outbound = haraka.haraka_require('outbound')
  const queue = haraka.haraka_require('outbound/queue')
  expectShape(queue, { name: 'flush_queue', mentions: ['new HMailItem(todo.file', 'temp_fail_queue.drain()'] })
  expectShape(queue.temp_fail_queue, { name: 'add', mentions: ['this.queue.push(timer)', 'splice(i, 0, timer)'] })

  const { flush_queue: flushByHaraka } = queue
  const flush = async (domain?: string, pid?: number): Promise<void> => {
    if (!domain) return flushByHaraka.call(queue, domain, pid)
    const waiting = queue.temp_fail_queue
    const files = new Set<string>()
    for (const todo of await queue.list_queue()) {
      if (todo?.domain.toLowerCase() === domain.toLowerCase()) files.add(todo.file)
    }
    const due: Timer[] = []
    waiting.queue = waiting.queue.filter((timer) => {
      if (!files.has(timer.id)) return true
      due.push(timer)
      return false
    })
    // Mails that are not waiting here are on their way, or another worker's.
    for (const { cb } of due) cb?.()
  }
  queue.flush_queue = flush
  outbound.flush_queue = flush
}
