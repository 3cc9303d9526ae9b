// A queue made in advance, in Haraka's file format: 4 bytes length, the todo as JSON, the content.

import { writeFile } from 'node:fs/promises'
import path from 'node:path'

const address = (user: string, host: string) => ({ original: `<${user}@${host}>`, original_host: host, host, user })

/** Writes `count` messages of `size` bytes for one domain, each a millisecond younger than the one before. */
export const fillQueue = async (
  folder: string,
  count: number,
  size: number,
  domain = 'receiver.test',
): Promise<void> => {
  const begun = Date.now() - count
  const line = `${'x'.repeat(78)}\r\n`
  const content = Buffer.from(`Subject: bench\r\n\r\n${line.repeat(Math.ceil(size / line.length))}`)
  for (let n = 0; n < count; n++) {
    const now = begun + n
    const todo = Buffer.from(
      `\n${JSON.stringify(
        {
          queue_time: now,
          domain,
          rcpt_to: [address(`user${n}`, domain)],
          mail_from: address('sender', 'sender.test'),
          notes: {},
          uuid: `BENCH-${n}.1`,
          force_tls: false,
        },
        null,
        '\t',
      )}\n`,
    )
    const head = Buffer.alloc(4)
    head.writeUInt32BE(todo.length)
    const name = `${now}_${now}_0_1_${n.toString(36).padStart(6, 'A')}_1_bench`
    await writeFile(path.join(folder, 'queue', name), Buffer.concat([head, todo, content]))
  }
}
