// The repairs of Haraka's queue: how it is loaded and how it is written.

import { readFile, rename } from 'node:fs/promises'
import path from 'node:path'

import { describe, test, type ExpectStatic } from 'vitest'

import { writeHarakaFolder } from '../../harness/haraka'
import { writeQueueFile } from '../../harness/queue-file'
import { submit } from '../../harness/submit'
import { repair, routing, toolsOf, type Tools } from './repair'

/** SLUICE_QUEUE_FILES=50000: the size of the measured disaster, with 1,024 descriptors as there. */
const files = Number(process.env['SLUICE_QUEUE_FILES'] ?? 1500)
const descriptors = files > 10_000 ? 1024 : 256
const slots = 1000
const patienceMs = 30_000 + files * 4

/** Notes in which order attempts begin: slow ones may well be overtaken by others. */
const begun = `
const fs = require('node:fs')
const notes = fs.openSync(process.env.HARAKA + '/begun', 'a')
exports.hook_send_email = (next, hmail) => {
  fs.writeSync(notes, hmail.todo.rcpt_to[0].user.slice(1) + '\\n')
  next()
}`

describe('queue_loader', () => {
  repair('what is due in 5 s after a start waits 5 s', async ({ start, receive, expect }) => {
    const receiver = await receive()
    const folder = await writeHarakaFolder({})
    const name = await writeQueueFile(folder, { to: 'a@x.test', attempts: 1 })
    // The file is made due when Haraka starts to load, so that it does not matter how long Haraka takes to start.
    const due = `
      const path = require('node:path')
      const fs = require('node:fs')
      exports.register = function () {
        const queue = path.join(process.env.HARAKA, 'queue')
        const due = Date.now() + 5000
        fs.renameSync(path.join(queue, '${name}'), path.join(queue, '${name}'.replace(/_\\d+_/, '_' + due + '_')))
        setTimeout(() => this.lognotice('LATE'), 5000 + 3500)
      }`
    const haraka = await start({ folder, plugins: ['due', 'mx'], localPlugins: { mx: routing(receiver.port), due } })
    await haraka.logged(/delivered file|LATE/)
    expect(haraka.matches(/LATE/)).toEqual([])
  })

  const title = `${files} files load with ${descriptors} descriptors in order of age, and each is delivered once`
  repair(title, async ({ start, receive, expect }) => {
    const receiver = await receive({ offers: ['PIPELINING'] })
    const folder = await writeHarakaFolder({})
    const oldest = Date.now() - files
    for (let n = 0; n < files; n++) await writeQueueFile(folder, { to: `u${n}@x.test`, arrival: oldest + n })
    const haraka = await start({
      folder,
      plugins: ['begun', 'mx'],
      localPlugins: { begun, mx: routing(receiver.port) },
      descriptors,
      config: { 'outbound.ini': `concurrency_max=${slots}\nlocal_mx_ok=true\ntemp_fail_intervals=5s*5\n` },
    })
    const starved = () => haraka.matches(/EMFILE/).length > 0
    await expect.poll(() => receiver.accepted.length >= files || starved(), { timeout: patienceMs }).toBe(true)
    expect(starved()).toBe(false)
    expect(receiver.accepted).toHaveLength(files)
    expect(new Set(receiver.acceptedRecipients).size).toBe(files)
    const order = (await readFile(path.join(haraka.folder, 'begun'), 'utf8')).split('\n').slice(0, -1).map(Number)
    expect(order.findIndex((n, index) => n !== index)).toBe(-1)
    const status = await readFile(`/proc/${haraka.pid}/status`, 'utf8')
    expect(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024).toBeLessThan(400)
    await expect.poll(() => haraka.queue(), { timeout: 5000 }).toEqual([])
  })

  test.concurrent('the oldest mail leaves first', async (context) => {
    const { start, receive, expect } = toolsOf(context, true)
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
    await expect.poll(() => receiver.accepted.length, { timeout: 15_000 }).toBe(ages.length)
    expect(receiver.acceptedRecipients.map((one) => Number(/\d+/.exec(one)?.[0]))).toEqual(
      ages.toSorted((a, b) => b - a),
    )
  })
})

describe('queue_writer', () => {
  repair('a disk that cannot take a message now is no permanent refusal', async ({ start, expect }) => {
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

  const filesOf = async ({ start, expect }: Tools): Promise<string[]> => {
    const haraka = await start({ config: { 'outbound.ini': 'disabled=true\n' } })
    await submit(haraka.port, { to: recipients, message })
    const files = await haraka.queue()
    const texts = await Promise.all(files.map((name) => readFile(path.join(haraka.folder, 'queue', name))))
    return texts.map((text) => comparable(text, expect)).toSorted()
  }

  /** Without what differs between any two messages: the header's length counts ids and times too. */
  const comparable = (file: Buffer, expect: ExpectStatic): string => {
    const length = file.readUInt32BE(0)
    const todo = JSON.parse(file.toString('utf8', 4, 4 + length)) as Record<string, unknown>
    expect(file.toString('utf8', 4, 4 + length)).toBe(`\n${JSON.stringify(todo, null, '\t')}\n`)
    const fixed = { ...todo, uuid: String(todo['uuid']).slice(-2), queue_time: 0 }
    const content = file.toString('latin1', 4 + length).replace(/^Received: [^]*?\r\n(?=\S)/gm, '')
    return JSON.stringify([fixed, content])
  }

  test.concurrent('the files are what Haraka itself writes', async (context) => {
    const { expect } = context
    const [ours, theirs] = await Promise.all([true, false].map((repaired) => filesOf(toolsOf(context, repaired))))
    expect(ours).toHaveLength(3)
    expect(ours).toEqual(theirs)
  })

  test.concurrent('what was written is delivered whole, from memory and after a restart', async (context) => {
    const { start, receive, expect } = toolsOf(context, true)
    const receiver = await receive()
    const options = { plugins: ['mx'], localPlugins: { mx: routing(receiver.port) } }
    const first = await start(options)
    await submit(first.port, { to: recipients, message })
    await expect.poll(() => receiver.accepted.length, { timeout: 15_000 }).toBe(3)
    const second = await start({ ...options, config: { 'outbound.ini': 'disabled=true\n' } })
    await submit(second.port, { to: recipients, message })
    await second.kill()
    await start({ ...options, folder: second.folder })
    await expect.poll(() => receiver.accepted.length, { timeout: 15_000 }).toBe(6)
    const bodies = receiver.accepted.map((one) => one.content.slice(one.content.indexOf('Subject:')))
    expect(new Set(bodies)).toEqual(new Set([Buffer.from(message).toString('latin1')]))
  })
})
