// The repairs of Haraka's queue: how it is loaded and how it is written.

import { readFile, rename } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, test } from 'vitest'

import { writeHarakaFolder } from '../../harness/haraka'
import { writeQueueFile } from '../../harness/queue-file'
import { submit } from '../../harness/submit'
import { receive, repair, routing, startWith } from './repair'

describe('queue_loader', () => {
  repair('what is due in 8 s after a start waits 8 s', async (start) => {
    const receiver = await receive()
    const folder = await writeHarakaFolder({})
    await writeQueueFile(folder, { to: 'a@x.test', nextAttempt: Date.now() + 8000, attempts: 1 })
    const haraka = await start({ folder, plugins: ['mx'], localPlugins: { mx: routing(receiver.port) } })
    await haraka.logged(/delivered file/, 10_000)
  })

  repair('1500 files load with 256 descriptors, and each is delivered once', async (start) => {
    const receiver = await receive()
    const folder = await writeHarakaFolder({})
    for (let n = 0; n < 1500; n++) await writeQueueFile(folder, { to: `u${n}@x.test` })
    const haraka = await start({
      folder,
      plugins: ['mx'],
      localPlugins: { mx: routing(receiver.port) },
      descriptors: 256,
      config: { 'outbound.ini': 'concurrency_max=1000\nlocal_mx_ok=true\ntemp_fail_intervals=5s*5\n' },
    })
    await expect.poll(() => new Set(receiver.acceptedRecipients).size, { timeout: 12_000 }).toBe(1500)
    expect(receiver.accepted).toHaveLength(1500)
    await expect.poll(() => haraka.queue(), { timeout: 5000 }).toEqual([])
  })

  test('the oldest mail leaves first', async () => {
    const start = startWith(true)
    const receiver = await receive()
    const folder = await writeHarakaFolder({})
    const now = Date.now()
    const ages = [30, 10, 50, 20, 40, 60, 5, 25]
    for (const age of ages) await writeQueueFile(folder, { to: `u${age}@x.test`, arrival: now - age * 1_000_000 })
    await start({
      folder,
      plugins: ['mx'],
      localPlugins: { mx: routing(receiver.port) },
      config: { 'outbound.ini': 'concurrency_max=1\nlocal_mx_ok=true\n' },
    })
    await expect.poll(() => receiver.accepted.length).toBe(ages.length)
    expect(receiver.acceptedRecipients.map((one) => Number(/\d+/.exec(one)?.[0]))).toEqual(
      ages.toSorted((a, b) => b - a),
    )
  })
})

describe('queue_writer', () => {
  repair('a disk that cannot take a message now is no permanent refusal', async (start) => {
    const haraka = await start({})
    await submit(haraka.port, { to: 'a@x.test' })
    await rename(path.join(haraka.folder, 'queue'), path.join(haraka.folder, 'gone'))
    await expect(submit(haraka.port, { to: 'a@x.test' })).rejects.toThrow(/ 450 /)
  })

  const message = [
    'Subject: dots and lines',
    'Message-Id: <one@x.test>',
    'Date: Sat, 21 Nov 2026 03:00:00 +0000',
    `X-Long: ${'word '.repeat(190)}`,
    '',
    '.',
    '..two',
    'eight bit: \u00e4\u00f6\u00fc',
    '',
    ...Array.from({ length: 500 }, (_, n) => `${n} `.repeat(12)),
    '.last',
    '',
  ].join('\r\n')
  const recipients = ['a@x.test', 'b@x.test', 'c@y.test', 'd@Z.test']

  const filesOf = async (repaired: boolean): Promise<string[]> => {
    const haraka = await startWith(repaired)({ config: { 'outbound.ini': 'disabled=true\n' } })
    await submit(haraka.port, { to: recipients, message })
    const files = await haraka.queue()
    const texts = await Promise.all(files.map((name) => readFile(path.join(haraka.folder, 'queue', name))))
    return texts.map(comparable).toSorted()
  }

  /** Without what differs between any two messages: the header's length counts ids and times too. */
  const comparable = (file: Buffer): string => {
    const length = file.readUInt32BE(0)
    const todo = JSON.parse(file.toString('utf8', 4, 4 + length)) as Record<string, unknown>
    expect(file.toString('utf8', 4, 4 + length)).toBe(`\n${JSON.stringify(todo, null, '\t')}\n`)
    const fixed = { ...todo, uuid: String(todo['uuid']).slice(-2), queue_time: 0 }
    const content = file.toString('latin1', 4 + length).replace(/^Received: [^]*?\r\n(?=\S)/gm, '')
    return JSON.stringify([fixed, content])
  }

  test('the files are what Haraka itself writes', async () => {
    const [ours, theirs] = [await filesOf(true), await filesOf(false)]
    expect(ours).toHaveLength(3)
    expect(ours).toEqual(theirs)
  })

  test('what was written is delivered whole, from memory and after a restart', async () => {
    const receiver = await receive()
    const options = { plugins: ['mx'], localPlugins: { mx: routing(receiver.port) } }
    const first = await startWith(true)(options)
    await submit(first.port, { to: recipients, message })
    await expect.poll(() => receiver.accepted.length).toBe(3)
    const second = await startWith(true)({ ...options, config: { 'outbound.ini': 'disabled=true\n' } })
    await submit(second.port, { to: recipients, message })
    await second.kill()
    await startWith(true)({ ...options, folder: second.folder })
    await expect.poll(() => receiver.accepted.length).toBe(6)
    const bodies = receiver.accepted.map((one) => one.content.slice(one.content.indexOf('Subject:')))
    expect(new Set(bodies)).toEqual(new Set([Buffer.from(message).toString('latin1')]))
  })
})
