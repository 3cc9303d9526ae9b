// The repairs of Haraka: hooks, slots, delays, files of others, flush, hand-over, termination, DNS.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import path from 'node:path'

import { decode, encode, type Packet } from 'dns-packet'
import { describe, expect } from 'vitest'

import { writeHarakaFolder } from '../../harness/haraka'
import { writeQueueFile } from '../../harness/queue-file'
import { submit } from '../../harness/submit'
import { cleanUp, receive, repair, retries, routing } from './repair'

describe('hooks', () => {
  repair('a hook of ours that throws holds the mail', async (start) => {
    const receiver = await receive()
    const haraka = await start({
      plugins: ['sluice-broken', 'mx'],
      localPlugins: {
        mx: routing(receiver.port),
        'sluice-broken': `exports.hook_send_email = function () { throw new Error('broken') }`,
      },
      logLevel: 'debug',
    })
    await submit(haraka.port, { to: 'a@x.test' })
    await haraka.logged(/delayed for 60 seconds/, 2000)
    expect(receiver.connections).toBe(0)
    expect(await haraka.queue()).toHaveLength(1)
  })

  repair('a hook of ours that rejects ends nothing', async (start) => {
    const haraka = await start({
      plugins: ['sluice-broken'],
      localPlugins: { 'sluice-broken': `exports.hook_send_email = async function () { throw new Error('broken') }` },
    })
    await submit(haraka.port, { to: 'a@x.test' })
    await haraka.logged(/SLUICE_INTERNAL: hook_send_email: Error: broken/, 2000)
    await expect(submit(haraka.port, { to: 'b@x.test' })).resolves.toMatch(/^250/)
  })
})

repair('slots: a slot is freed once, however often Haraka says so', async (start) => {
  const receiver = await receive()
  const twice = `
    exports.hook_delivered = function (next, hmail) {
      const free = hmail.next_cb
      hmail.next_cb = () => { free(); free() }
      next()
      setTimeout(() => this.lognotice('STATS ' + this.haraka_require('outbound').get_stats()), 200)
    }`
  const haraka = await start({
    plugins: ['mx', 'twice'],
    localPlugins: { mx: routing(receiver.port), twice },
  })
  await submit(haraka.port, { to: 'a@x.test' })
  const [, running] = await haraka.logged(/STATS (-?\d+)/)
  expect(running).not.toBe('-1')
})

repair('retry_delay: a hook that times out delays one mail and bounces none', async (start) => {
  const receiver = await receive({ at: { mail: '450 4.2.0 later' } })
  const haraka = await start({
    plugins: ['mx', 'slow'],
    localPlugins: {
      mx: routing(receiver.port),
      slow: `exports.hook_deferred = function (next, hmail) { if (hmail.todo.domain !== 'slow.test') next() }`,
    },
    config: { ...retries('300s,300s'), 'slow.timeout': '1' },
    logLevel: 'info',
  })
  await submit(haraka.port, { to: 'a@slow.test' })
  await haraka.logged(/timed out on hook deferred/)
  await haraka.logged(/Temp failing .*/)
  await submit(haraka.port, { to: 'b@x.test' })
  await haraka.until(() => haraka.matches(/Temp failing/).length === 2, 'to defer both')
  await haraka.logged(/Temp failing \S+ for 300 seconds: .*450/)
  expect(haraka.matches(/bouncing mail/)).toEqual([])
  expect(haraka.matches(/for NaN seconds/)).toEqual([])
})

repair('temporary_files: a file that another process is writing stays', async (start) => {
  const folder = await writeHarakaFolder({})
  const [writing, dead] = await Promise.all(
    [process.pid, 4_000_000].map((pid) => writeQueueFile(folder, { to: 'a@x.test', pid, prefix: '__tmp__.' })),
  )
  const haraka = await start({ folder, logLevel: 'info' })
  await haraka.logged(/files in my load queue|files in my delivery queue/)
  await expect(access(path.join(folder, 'queue', dead ?? ''))).rejects.toThrow()
  await access(path.join(folder, 'queue', writing ?? ''))
})

repair('flush: a mail that is brought forward is delivered, and never bounced', async (start) => {
  const replies = ['450 4.2.0 later', '250 2.1.0 ok']
  const receiver = await receive({
    nth: (stage) => (stage === 'mail' ? (replies.shift() ?? '450 4.2.0 later') : undefined),
  })
  const flush = `
    exports.hook_deferred = function (next) {
      next()
      setTimeout(() => this.haraka_require('outbound').flush_queue('X.test'), 300)
    }
    exports.hook_bounce = function (next) { this.lognotice('BOUNCED'); next() }`
  const haraka = await start({
    plugins: ['mx', 'flush'],
    localPlugins: { mx: routing(receiver.port), flush },
    config: retries('5s,5s,5s'),
  })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/delivered file/, 3000)
  // The timer of the first deferral would fire now.
  await expect(haraka.logged(/BOUNCED/, 7000)).rejects.toThrow(/waited/)
  expect(receiver.accepted).toHaveLength(1)
})

repair('handover: a graceful restart hands the queue over', async (start) => {
  let patience = 1
  const receiver = await receive({
    nth: (stage) => (stage === 'mail' && patience-- > 0 ? '450 4.2.0 later' : undefined),
  })
  const restart = `
    const cluster = require('cluster')
    exports.hook_init_master = function (next, server) {
      process.on('SIGUSR2', () => server.gracefulRestart())
      next()
    }`
  const haraka = await start({
    nodes: 1,
    plugins: ['mx', 'restart'],
    localPlugins: { mx: routing(receiver.port), restart },
    config: retries('6s,6s'),
    logLevel: 'info',
  })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/Temp failing/)
  haraka.signal('SIGUSR2')
  await haraka.logged(/Reload complete/)
  await haraka.logged(/delivered file/, 13_000)
  expect(receiver.accepted).toHaveLength(1)
})

repair('termination: SIGTERM finishes what is under way', async (start) => {
  const receiver = await receive({ at: { dot: { do: 'delay', ms: 800, text: '250 2.0.0 taken' } } })
  const haraka = await start({ plugins: ['mx'], localPlugins: { mx: routing(receiver.port) } })
  await submit(haraka.port, { to: 'a@x.test' })
  await expect.poll(() => receiver.accepted.length).toBe(1)
  haraka.signal('SIGTERM')
  expect(await haraka.exited).toBe(0)
  expect(await haraka.queue()).toEqual([])
})

repair('dns: one question for many mails, and the domain says why it takes none', async (start) => {
  const asked: string[] = []
  const server = createSocket('udp4').on('message', (message, from) => {
    const query = decode(message)
    const [question] = query.questions ?? []
    asked.push(`${question?.type} ${question?.name}`)
    const answers: Packet['answers'] =
      question?.name === 'null.test' && question.type === 'MX'
        ? [{ type: 'MX', name: 'null.test', ttl: 300, data: { preference: 0, exchange: '.' } }]
        : []
    const rcode = question?.name === 'gone.test' ? 3 : question?.name === 'broken.test' ? 2 : 0
    const packet: Packet = {
      type: 'response',
      id: query.id,
      flags: rcode,
      answers,
      ...(question ? { questions: [question] } : {}),
    }
    server.send(encode(packet), from.port, from.address)
  })
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const { port } = server.address()
  const settlements = `
    const { host } = require('haraka-plugin-sluice-host')
    exports.register = function () {
      host.onSettled(({ recipients: [one] }) => this.lognotice('SETTLED ' + [one.address, one.kind, one.evidence.enhanced].join(' ')))
    }`
  const haraka = await start({
    plugins: ['settlements'],
    localPlugins: { settlements },
    config: retries('300s'),
    sluice: `resolvers: ['127.0.0.1:${port}']\n`,
  })
  for (const to of ['a@null.test', 'b@gone.test', 'c@broken.test']) await submit(haraka.port, { to, from: '' })
  await submit(haraka.port, { to: 'd@null.test', from: '' })
  await haraka.logged(/SETTLED a@null.test bounced 5.1.10/, 4000)
  await haraka.logged(/SETTLED b@gone.test bounced 5.1.2/, 4000)
  await haraka.logged(/SETTLED c@broken.test deferred 4.4.3/, 4000)
  await haraka.logged(/SETTLED d@null.test bounced 5.1.10/, 4000)
  expect(asked.filter((one) => one === 'MX null.test')).toHaveLength(1)
})
