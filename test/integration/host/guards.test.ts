// The repairs of Haraka: hooks, slots, delays, files of others, flush, hand-over, termination, DNS. Each waits for the
// event that shows the repair or the defect, whichever comes, so that neither Haraka makes it wait for nothing.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { parseSegmentName } from '@sluice/core/spool/segment'
import { decode, encode, type Packet } from 'dns-packet'
import { describe, test } from 'vitest'

import type { Action } from '../../harness/fake-receiver'
import { writeHarakaFolder } from '../../harness/haraka'
import { writeQueueFile } from '../../harness/queue-file'
import { readSpool } from '../../harness/sluice'
import { submit } from '../../harness/submit'
import { repair, retries, routing, toolsOf, type RepairOptions, type Tools } from './repair'

/** Each recipient is accepted the second time, and deferred before and after. */
const secondTime = (): ((address: string) => Action | undefined) => {
  const times = new Map<string, number>()
  return (address) => {
    const time = (times.get(address) ?? 0) + 1
    times.set(address, time)
    return time === 2 ? undefined : '450 4.2.0 later'
  }
}

describe('hooks', () => {
  repair('a hook of ours that throws holds the mail', async ({ start, receive, expect }) => {
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
    await haraka.logged(/delayed for 60 seconds|delivered file/)
    expect(receiver.connections).toBe(0)
    expect(await haraka.queue()).toHaveLength(1)
  })

  repair('a hook of ours that rejects ends nothing', async ({ start, expect }) => {
    const haraka = await start({
      plugins: ['sluice-broken'],
      localPlugins: { 'sluice-broken': `exports.hook_send_email = async function () { throw new Error('broken') }` },
    })
    await submit(haraka.port, { to: 'a@x.test' })
    const told = () => haraka.matches(/SLUICE_INTERNAL: hook_send_email: Error: broken/).length > 0
    await expect.poll(() => told() || !haraka.running, { timeout: 15_000 }).toBe(true)
    expect(haraka.running).toBe(true)
    await expect(submit(haraka.port, { to: 'b@x.test' })).resolves.toMatch(/^250/)
  })
})

describe('a hook that never answers', () => {
  const silentIn = (hook: string) => ({
    'sluice-silent': `exports.register = function () { this.timeout = 0 }\nexports.${hook} = () => undefined`,
  })

  test.concurrent('holds the mail in send_email, after which it goes on', async (context) => {
    const { start, expect } = toolsOf(context, true)
    const haraka = await start({
      plugins: ['sluice-silent'],
      localPlugins: silentIn('hook_send_email'),
      sluice: 'host: { hook_timeout_s: 1 }\n',
      logLevel: 'debug',
    })
    await submit(haraka.port, { to: 'a@x.test' })
    await haraka.logged(/SLUICE_INTERNAL: hook_send_email: .*no answer in 1 s/)
    await haraka.logged(/delayed for 60 seconds/)
    expect(await haraka.queue()).toHaveLength(1)
  })

  test.concurrent('refuses the message for now at RCPT', async (context) => {
    const { start, expect } = toolsOf(context, true)
    const haraka = await start({
      plugins: ['sluice-silent'],
      localPlugins: silentIn('hook_mail'),
      sluice: 'host: { hook_timeout_s: 1 }\n',
    })
    await expect(submit(haraka.port, { to: 'a@x.test' })).rejects.toThrow(/ 450 /)
  })
})

repair('slots: a slot is freed once, however often Haraka says so', async ({ start, receive, expect }) => {
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

repair('host_name: the system is not asked for its name at every reply', async ({ start, receive, expect }) => {
  const receiver = await receive()
  const counting = `
    const os = require('os')
    const ask = os.hostname
    let asked = 0
    os.hostname = () => { asked++; return ask() }
    exports.hook_queue_ok = function (next) { this.lognotice('ASKED ' + asked); next() }`
  const haraka = await start({
    localPlugins: { counting, mx: routing(receiver.port) },
    plugins: ['mx'],
    config: { plugins: ['harness-relay', 'counting', 'sluice-host', 'mx', ''].join('\n') },
  })
  for (const to of ['a@x.test', 'b@x.test', 'c@x.test']) await submit(haraka.port, { to })
  await haraka.until(() => haraka.matches(/ASKED/).length === 3, 'to queue three mails')
  const [first, , third] = haraka.matches(/ASKED (\d+)/).map(([, count]) => Number(count))
  expect(third).toBe(first)
})

repair('retry_delay: a hook that times out delays one mail and bounces none', async ({ start, receive, expect }) => {
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
  const ended = () => haraka.matches(/Temp failing/).length === 2 || haraka.matches(/bouncing mail/).length > 0
  await haraka.until(ended, 'to defer or bounce the second one')
  expect(haraka.matches(/bouncing mail/)).toEqual([])
  expect(haraka.matches(/for NaN seconds/)).toEqual([])
  expect(haraka.matches(/Temp failing \S+ for 300 seconds: .*450/)).not.toEqual([])
})

repair(
  'retry_delay: a DELAY that is no number holds one mail, and bounces none',
  async ({ start, receive, expect }) => {
    const receiver = await receive({ at: { mail: '450 4.2.0 later' } })
    const haraka = await start({
      plugins: ['mx', 'slow'],
      localPlugins: {
        mx: routing(receiver.port),
        slow: `exports.hook_send_email = (next, hmail) => hmail.todo.domain === 'slow.test' ? next(DELAY, 'soon') : next()`,
      },
      config: retries('300s,300s'),
      logLevel: 'debug',
    })
    const deferred = async () => (await haraka.queue()).filter((name) => name.split('_')[2] === '1').length
    await submit(haraka.port, { to: 'a@slow.test', from: '' })
    await haraka.logged(/Delivery of this email delayed/)
    await submit(haraka.port, { to: 'b@x.test', from: '' })
    await expect.poll(deferred, { timeout: 5000 }).toBe(1)
    // Whatever becomes of the one has become of it when the other has arrived.
    await submit(haraka.port, { to: 'c@x.test', from: '' })
    await haraka.until(() => haraka.matches(/Temp failing/).length === 2, 'to defer both')
    expect(haraka.matches(/bouncing mail/)).toEqual([])
    await expect.poll(deferred, { timeout: 5000 }).toBe(2)
  },
)

repair('temporary_files: a file that another process is writing stays', async ({ start, expect }) => {
  const folder = await writeHarakaFolder({})
  const [writing, dead] = await Promise.all(
    [process.pid, 4_000_000].map((pid) => writeQueueFile(folder, { to: 'a@x.test', pid, prefix: '__tmp__.' })),
  )
  const haraka = await start({ folder, logLevel: 'info' })
  await haraka.logged(/files in my load queue|files in my delivery queue/)
  await expect(access(path.join(folder, 'queue', dead ?? ''))).rejects.toThrow()
  expect(await haraka.queue()).toContain(writing)
})

repair('flush: a mail that is brought forward is delivered, and never bounced', async ({ start, receive, expect }) => {
  const receiver = await receive({ rcpt: secondTime() })
  const flush = `
    exports.hook_deferred = function (next, hmail) {
      // The timer that must not fire is due in 1 s, that of the other mail in 3.
      const brought = hmail.todo.domain === 'x.test'
      next(DENYSOFT, brought ? 1 : 3)
      if (brought) setTimeout(() => this.haraka_require('outbound').flush_queue('X.test'), 100)
    }
    exports.hook_bounce = function (next) { this.lognotice('BOUNCED'); next() }`
  const haraka = await start({
    plugins: ['mx', 'flush'],
    localPlugins: { mx: routing(receiver.port), flush },
    config: retries('5s,5s,5s'),
  })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/delivered file.* domain=x\.test/)
  await submit(haraka.port, { to: 'b@y.test' })
  await haraka.logged(/delivered file.* domain=y\.test/)
  expect(haraka.matches(/BOUNCED/)).toEqual([])
  expect(receiver.acceptedRecipients).toEqual(['a@x.test', 'b@y.test'])
})

repair('handover: a graceful restart hands the queue over', async ({ start, receive, expect }) => {
  const receiver = await receive({ rcpt: secondTime() })
  const restart = `
    exports.hook_init_master = function (next, server) {
      process.on('SIGUSR2', () => server.gracefulRestart())
      next()
    }`
  const haraka = await start({
    nodes: 1,
    plugins: ['mx', 'restart', 'soon'],
    localPlugins: {
      mx: routing(receiver.port),
      restart,
      soon: 'exports.hook_deferred = (next) => next(DENYSOFT, 3)',
    },
    config: retries('6s,6s'),
    logLevel: 'info',
  })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/Temp failing/)
  haraka.signal('SIGUSR2')
  await haraka.logged(/Reload complete/)
  const ports = haraka.matches(/listening on 127\.0\.0\.1:(\d+)/).map(([, port]) => Number(port))
  // Begun after the hand-over, and deferred like the first one: when it arrives, the first one must have.
  await submit(ports.at(-1) ?? 0, { to: 'b@y.test' })
  await haraka.logged(/delivered file.* domain=y\.test/)
  expect(receiver.acceptedRecipients).toEqual(['a@x.test', 'b@y.test'])
})

describe('termination', () => {
  /** Says 250 to the dot after a while; resolves when Haraka has got SIGTERM in between and has ended. */
  const terminate = async ({ start, receive, expect }: Tools, options: RepairOptions = {}) => {
    const receiver = await receive({ at: { dot: { do: 'delay', ms: 800, text: '250 2.0.0 taken' } } })
    const mx = routing(receiver.port)
    const haraka = await start({
      ...options,
      plugins: [...(options.plugins ?? []), 'mx'],
      localPlugins: { mx, ...options.localPlugins },
    })
    await submit(haraka.port, { to: 'a@x.test' })
    await expect.poll(() => receiver.accepted.length, { timeout: 15_000 }).toBe(1)
    haraka.signal('SIGTERM')
    return { haraka, code: await haraka.exited }
  }

  repair('SIGTERM finishes what is under way', async (tools) => {
    const { haraka, code } = await terminate(tools)
    tools.expect(code).toBe(0)
    tools.expect(await haraka.queue()).toEqual([])
  })

  repair('the process ends after its last file operation', async (tools) => {
    // One thread for files, and it is busy when the queue file is to be removed; a note takes it several steps.
    const busy = `
      const { pbkdf2 } = require('node:crypto')
      const { writeFile } = require('node:fs')
      exports.hook_delivered = (next) => {
        pbkdf2('a', 'b', 500_000, 64, 'sha512', () => undefined)
        writeFile(process.env.HARAKA + '/note', 'whole', () => undefined)
        next()
      }`
    const { haraka, code } = await terminate(tools, {
      plugins: ['busy'],
      localPlugins: { busy },
      env: { UV_THREADPOOL_SIZE: '1' },
    })
    tools.expect(code).toBe(0)
    tools.expect(await haraka.queue()).toEqual([])
    tools.expect(await readFile(path.join(haraka.folder, 'note'), 'utf8')).toBe('whole')
  })

  repair('as process 1, too', async (tools) => {
    const folder = await writeHarakaFolder({})
    const first = path.join(folder, 'first.cjs')
    // What Haraka looks at when it starts.
    await writeFile(first, `Object.defineProperty(process, 'pid', { value: 1 })`)
    const { haraka, code } = await terminate(tools, { folder, nodeArguments: ['--require', first] })
    tools.expect(code).toBe(0)
    tools.expect(await haraka.queue()).toEqual([])
  })

  test.concurrent('what happens after plugins were told to end is recorded and sealed', async (context) => {
    const { expect } = context
    const egress = `
sources: { a: { ip: 127.0.0.1, ehlo: a.test } }
pools: { main: { a: 1 } }
streams: { bulk: { pool: main } }
default_stream: bulk
`
    const { haraka } = await terminate(toolsOf(context, true), {
      plugins: ['sluice-stream', 'sluice-outcome'],
      sluice: 'spool: { min_free_mb: 0 }\n',
      config: { 'egress.yaml': egress },
    })
    const spool = path.join(haraka.folder, 'spool')
    expect((await readSpool(spool)).map((one) => one.kind).toSorted()).toEqual(['accepted', 'delivered'])
    const segments = await readdir(spool)
    // Closed at the signal, and begun anew for what came after it.
    expect(segments.map((name) => parseSegmentName(name)?.sealed)).toEqual([true, true])
  })
})

repair(
  'dns: one question for many mails, and the domain says why it takes none',
  async ({ start, cleanUp, expect }) => {
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
    cleanUp(() => new Promise<void>((resolve) => server.close(() => resolve())))
    const { port } = server.address()
    const settlements = `
    const { host } = require('haraka-plugin-sluice-host')
    exports.register = function () {
      host.onSettled(({ recipients: [one] }) => this.lognotice('SETTLED ' + [one.address, one.kind, one.evidence.enhanced].join(' ')))
    }`
    // Haraka as it is asks the same server.
    const resolver = `
    const { getDnsResolver } = require('haraka-net-utils/lib/dns_config')
    exports.register = () => getDnsResolver().setServers(['127.0.0.1:${port}'])`
    const haraka = await start({
      plugins: ['settlements', 'resolver'],
      localPlugins: { settlements, resolver },
      config: retries('300s'),
      sluice: `resolvers: ['127.0.0.1:${port}']\n`,
    })
    for (const to of ['a@null.test', 'b@gone.test', 'c@broken.test']) await submit(haraka.port, { to, from: '' })
    await submit(haraka.port, { to: 'd@null.test', from: '' })
    await haraka.until(() => haraka.matches(/SETTLED/).length === 4, 'to settle all')
    const settled = haraka.matches(/SETTLED (.*)/).map(([, what]) => what)
    expect(settled.toSorted()).toEqual([
      'a@null.test bounced 5.1.10',
      'b@gone.test bounced 5.1.2',
      'c@broken.test deferred 4.4.3',
      'd@null.test bounced 5.1.10',
    ])
    expect(asked.filter((one) => one === 'MX null.test')).toHaveLength(1)
  },
)
