// What our SMTP client repairs, on mail that nobody routed: so that Haraka as it is can be held against it.

import { expect, test } from 'vitest'

import { writeHarakaFolder } from '../../harness/haraka'
import { writeQueueFile } from '../../harness/queue-file'
import { submit } from '../../harness/submit'
import { receive, repair, retries, routing, startWith } from './repair'

repair('251 to RCPT is acceptance', async (start) => {
  const receiver = await receive({ at: { rcpt: '251 will forward' } })
  const haraka = await start({ plugins: ['mx'], localPlugins: { mx: routing(receiver.port) } })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/delivered file/, 3000)
  expect(receiver.acceptedRecipients).toEqual(['a@x.test'])
})

repair('a 554 banner defers', async (start) => {
  const receiver = await receive({ at: { banner: '554 5.7.1 blocked' } })
  const haraka = await start({
    plugins: ['mx'],
    localPlugins: { mx: routing(receiver.port) },
    config: retries('300s'),
    logLevel: 'info',
  })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/Temp failing \S+ for 300 seconds: 554 5\.7\.1 blocked/, 3000)
  expect(haraka.matches(/bouncing mail/)).toEqual([])
})

repair('a receiver that is slow to answer the dot gets one copy', async (start) => {
  const receiver = await receive({ at: { dot: { do: 'delay', ms: 1500, text: '250 2.0.0 taken' } } })
  const haraka = await start({
    plugins: ['mx'],
    localPlugins: { mx: routing(receiver.port) },
    config: { 'outbound.ini': 'connect_timeout=1\nlocal_mx_ok=true\ntemp_fail_intervals=5s,5s\n' },
  })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/delivered file/, 4000)
  expect(receiver.accepted).toHaveLength(1)
})

repair('five slots are five connections', async (start) => {
  const receiver = await receive({ at: { quit: { do: 'delay', ms: 100, text: '221 bye' } } })
  const haraka = await start({
    plugins: ['mx'],
    localPlugins: { mx: routing(receiver.port) },
    config: { 'outbound.ini': 'concurrency_max=5\nlocal_mx_ok=true\n' },
  })
  await Promise.all(Array.from({ length: 40 }, (_, n) => submit(haraka.port, { to: `u${n}@x.test` })))
  await expect.poll(() => receiver.accepted.length, { timeout: 5000 }).toBe(40)
  expect(receiver.mostOpen).toBeLessThanOrEqual(5)
})

repair('recipients that are split off keep their number of attempts', async (start) => {
  const receiver = await receive({ rcpt: (address) => (address.startsWith('b') ? '450 4.2.2 full' : undefined) })
  const folder = await writeHarakaFolder({})
  await writeQueueFile(folder, { to: ['a@x.test', 'b@x.test'], attempts: 2, from: '' })
  const haraka = await start({
    folder,
    plugins: ['mx'],
    localPlugins: { mx: routing(receiver.port) },
    config: retries('300s*5'),
    logLevel: 'info',
  })
  await haraka.logged(/Temp failing/)
  await haraka.logged(/delivered file/)
  await expect.poll(async () => (await haraka.queue()).map((name) => name.split('_')[2])).toEqual(['3'])
})

test('a reply of last week is not told as today’s', async () => {
  const start = startWith(true)
  const receiver = await receive((connection) => (connection === 0 ? { at: { mail: '450 4.2.0 last week' } } : {}))
  const said = `
    exports.hook_deferred = function (next, hmail) {
      this.lognotice('DEFERRED ' + (hmail.todo.rcpt_to[0].dsn_smtp_response ?? 'no reply'))
      next()
    }`
  const haraka = await start({
    plugins: ['mx', 'said'],
    localPlugins: { mx: routing(receiver.port), said },
    config: retries('5s,5s'),
  })
  await submit(haraka.port, { to: 'a@x.test' })
  await haraka.logged(/DEFERRED last week/)
  await receiver.close()
  await haraka.until(() => haraka.matches(/DEFERRED/).length === 2, 'to defer again', 9000)
  expect(haraka.matches(/DEFERRED (.*)/)[1]?.[1]).toBe('no reply')
})

test('the bounce says what the receiver said (RFC 3464)', async () => {
  const receiver = await receive({ rcpt: (address) => (address === 'b@x.test' ? '550 5.1.1 nobody here' : undefined) })
  const haraka = await startWith(true)({ plugins: ['mx'], localPlugins: { mx: routing(receiver.port) } })
  await submit(haraka.port, { to: ['a@x.test', 'b@x.test'] })
  await expect.poll(() => receiver.accepted.find((one) => one.from === '')?.content).toBeDefined()
  const notice = receiver.accepted.find((one) => one.from === '')?.content
  expect(receiver.acceptedRecipients).toEqual(expect.arrayContaining(['a@x.test', 'sender@sender.test']))
  expect(notice).toMatch(/^Final-Recipient: rfc822;b@x\.test\r\nAction: failed\r\nStatus: 5\.1\.1/m)
  expect(notice).toMatch(/^Diagnostic-Code: smtp;550 5\.1\.1 nobody here/m)
  expect(notice).not.toMatch(/rfc822;a@x\.test/)
})

test('LMTP stays with Haraka’s client', async () => {
  const lmtp = `
    exports.hook_get_mx = (next) => next(OK, { exchange: '127.0.0.1', port: PORT, using_lmtp: true })`
  const receiver = await receive()
  const haraka = await startWith(true)({
    plugins: ['mx'],
    localPlugins: { mx: lmtp.replace('PORT', String(receiver.port)) },
    logLevel: 'info',
    config: retries('300s'),
  })
  await submit(haraka.port, { to: 'a@x.test' })
  // The receiver knows no LHLO; what counts is that it was said.
  await expect.poll(() => receiver.commands[0]).toEqual(['LHLO haraka.test', 'QUIT'])
})
