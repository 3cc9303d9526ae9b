// Guard `queue_writer`: a message costs four file operations instead of seventeen: the same file, on disk before 250 as
// by fsync, one write, and the first attempt from memory. A disk that cannot take the message now is a 450: Haraka
// answers 550 there, and the sender gives up.

import { Attached } from '@sluice/core/transient/attached'
import type { HarakaHost } from '../host'
import {
  reply,
  type HarakaItem,
  type HarakaPlugin,
  type MessageStream,
  type Next,
  type QueuedTransaction,
} from '../haraka'
import { messageLimit, noteLines } from '../queue/content'
import { QueueWriter } from '../queue/writer'
import { expectShape } from './shape'

export const installQueueWriter = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const outbound = haraka.haraka_require('outbound')
  const queue = haraka.haraka_require('outbound/queue')
  const { cfg } = haraka.haraka_require('outbound/config')
  expectShape(outbound, { name: 'process_delivery', mentions: ['new FsyncWriteStream(tmp_path', 'dot_stuffed: false'] })
  expectShape(outbound, {
    name: 'send_trans_email',
    mentions: ['get_deliveries(transaction)', 'await this.process_delivery(ok_paths, todo, hmails)'],
  })
  expectShape(outbound, {
    name: 'build_todo',
    mentions: ["JSON.stringify(todo, exclude_from_json, '\\t')", 'writeUInt32BE'],
  })

  const transactions = haraka.haraka_require('transaction')
  const methods = outbound.HMailItem.prototype
  expectShape(transactions, { name: 'createTransaction', mentions: ['new Transaction(uuid, cfg)'] })
  expectShape(methods, { name: 'discard', mentions: ['this.refcount--', 'fs.unlink(this.path)', 'this.next_cb()'] })

  const { createTransaction } = transactions
  transactions.createTransaction = (uuid, settings) => {
    const transaction = createTransaction(uuid, settings)
    if (transaction.message_stream) noteLines(transaction.message_stream)
    return transaction
  }
  methods.discard = function (this: HarakaItem) {
    this.refcount--
    if (this.refcount !== 0) return
    host.files.remove(this.path)
    this.next_cb()
  }

  const writer = new QueueWriter(outbound, queue, host.fresh, host.files)
  const { process_delivery: writeByHaraka } = outbound
  outbound.process_delivery = function (paths, todo, items) {
    announce(todo.message_stream)
    return writer.write(paths, todo, items) ?? writeByHaraka.call(this, paths, todo, items)
  }

  /** Transactions on their way into the queue, by their content: how many files each becomes. */
  const coming = new Attached<object, QueuedTransaction>()
  const announce = (stream: MessageStream): void => {
    const transaction = coming.get(stream)
    if (!transaction) return
    coming.delete(stream)
    if (stream.bytes_read > messageLimit) return
    const { rcpt_to: to } = transaction
    writer.expect(stream, cfg.always_split ? to.length : new Set(to.map(({ host: domain }) => domain)).size)
  }
  const { send_trans_email: queueByHaraka } = outbound
  outbound.send_trans_email = function (transaction, next) {
    // Plugins may queue what is no more than like a transaction.
    if (transaction.message_stream) coming.set(transaction.message_stream, transaction)
    queueByHaraka.call(this, transaction, next)
  }

  const enqueue = (next: Next, { transaction }: { transaction: QueuedTransaction }): void => {
    outbound.send_trans_email(transaction, (code: number, text: unknown) => {
      if (code === reply.ok) next(reply.ok)
      else if (code === reply.deny) next(reply.deny, text)
      else next(reply.denysoft, 'Cannot be queued now, try again later')
    })
  }
  Object.assign(haraka, { enqueue })
  haraka.register_hook('queue_outbound', 'enqueue', 100)
}
