// Writes the queue files of an accepted message in Haraka's format (outbound/index.js build_todo): 4 bytes length, the
// todo as JSON, the content. The content is read out of the message once for all its domains, and their files are
// written side by side; the message is queued when all of them are on disk, or none.

import path from 'node:path'

import { Attached } from '@sluice/core/transient/attached'
import type { HarakaItem, MessageStream, Outbound, OutboundQueue, TodoItem } from '../haraka'
import { contentOf } from './content'
import type { QueueFiles } from './files'
import type { FreshFiles } from './fresh-files'

interface Message {
  readonly content: Promise<Buffer[]>
  /** Domains that Haraka has yet to ask for, and those whose file has yet to be put together. */
  left: number
  unmade: number
  readonly writing: Promise<void>[]
}

export class QueueWriter {
  private readonly messages = new Attached<MessageStream, Message>()

  constructor(
    private readonly outbound: Outbound,
    private readonly queue: OutboundQueue,
    private readonly fresh: FreshFiles,
    private readonly files: QueueFiles,
  ) {}

  /** The message will be written for so many domains. */
  expect(stream: MessageStream, domains: number): void {
    this.messages.set(stream, { content: contentOf(stream), left: domains, unmade: domains, writing: [] })
  }

  /**
   * Writes the file of one domain. Resolves at once while others are to come, and for the last one when all are on
   * disk, so that they are written side by side although Haraka asks for them one after the other.
   * @returns undefined where the message was not announced
   */
  write(paths: string[], todo: TodoItem, items: HarakaItem[]): Promise<void> | undefined {
    const message = this.messages.get(todo.message_stream)
    if (!message) return undefined
    message.writing.push(this.writeOne(message, paths, todo, items))
    message.left--
    if (message.left > 0) return Promise.resolve()
    this.messages.delete(todo.message_stream)
    return all(message.writing)
  }

  private async writeOne(message: Message, paths: string[], todo: TodoItem, items: HarakaItem[]): Promise<void> {
    const content = await message.content
    const { bytes, start } = fileOf(todo, content)
    message.unmade--
    if (message.unmade === 0) content.length = 0
    const name = this.outbound.qfile.name()
    const file = path.join(this.queue.queue_dir, name)
    const temporary = path.join(this.queue.queue_dir, `${this.outbound.qfile.platformDOT}${name}`)
    await this.files.write(temporary, file, bytes)
    this.fresh.add(file, bytes.subarray(0, start), bytes.subarray(start))
    paths.push(file)
    items.push(new this.outbound.HMailItem(name, file, todo.notes))
  }
}

/** Waits for all, also for those that come after one that fails: what is written later could not be removed. */
const all = async (writing: readonly Promise<void>[]): Promise<void> => {
  const failed = (await Promise.allSettled(writing)).find((one) => one.status === 'rejected')
  if (failed) throw failed.reason
}

/** The whole file in one piece. */
const fileOf = (todo: TodoItem, content: readonly Buffer[]): { readonly bytes: Buffer; readonly start: number } => {
  const text = `\n${JSON.stringify(todo, (key, value: unknown) => (key === 'message_stream' ? undefined : value), '\t')}\n`
  const start = 4 + Buffer.byteLength(text)
  const size = content.reduce((sum, piece) => sum + piece.length, start)
  const bytes = Buffer.allocUnsafeSlow(size)
  bytes.writeUInt32BE(start - 4, 0)
  bytes.write(text, 4)
  let at = start
  for (const piece of content) at += piece.copy(bytes, at)
  return { bytes, start }
}
