// Writes a queue file as Haraka does (outbound/index.js build_todo, outbound/qfile.js), for tests of what happens to a
// queue that is found at start.

import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

export interface QueueFile {
  /** Recipients of one domain. */
  readonly to: string | readonly string[]
  readonly from?: string
  /** ms since 1970; default now */
  readonly arrival?: number
  readonly nextAttempt?: number
  readonly attempts?: number
  readonly pid?: number
  readonly content?: string
  /** Put before the name: `__tmp__.` for a file being written. */
  readonly prefix?: string
}

let counter = 0

const address = (text: string) => {
  if (text === '') return { original: '<>', user: '', host: '' }
  const [user, host] = text.split('@')
  return { original: `<${text}>`, original_host: host, host, user }
}

/** @returns the file's name */
export const writeQueueFile = async (harakaFolder: string, file: QueueFile): Promise<string> => {
  const arrival = file.arrival ?? Date.now()
  const to = typeof file.to === 'string' ? [file.to] : file.to
  const [, domain] = to[0]?.split('@') ?? []
  const unique = (counter++).toString(36).padStart(6, 'A')
  const parts = [arrival, file.nextAttempt ?? arrival, file.attempts ?? 0, file.pid ?? 1, unique, 1, 'test']
  const name = `${file.prefix ?? ''}${parts.join('_')}`
  const todo = `\n${JSON.stringify({
    queue_time: arrival,
    domain,
    rcpt_to: to.map(address),
    mail_from: address(file.from ?? 'sender@sender.test'),
    notes: {},
    uuid: `UUID-${unique}.1`,
    force_tls: false,
  })}\n`
  const head = Buffer.alloc(4)
  head.writeUInt32BE(Buffer.byteLength(todo))
  const queue = path.join(harakaFolder, 'queue')
  await mkdir(queue, { recursive: true })
  const content = file.content ?? `To: ${to.join(', ')}\r\nSubject: queued\r\n\r\nhello\r\n`
  await writeFile(path.join(queue, name), Buffer.concat([head, Buffer.from(todo), Buffer.from(content)]))
  return name
}
