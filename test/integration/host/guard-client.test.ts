// What our SMTP client repairs, on mail that nobody routed: so that Haraka as it is can be held against it. One Haraka
// with the guards and one without serve all repairs that need no settings of their own.

import { describe } from 'vitest'

import { writeHarakaFolder, type HarakaProcess } from '../../harness/haraka'
import { writeQueueFile } from '../../harness/queue-file'
import { submit } from '../../harness/submit'
import { domainOf, repair, retries, routing, routingByDomain, sharing } from './repair'
import type { RecipientResult } from '../../../plugins/host/contract'

/** Says what Haraka makes of each mail, and what the host reports of it; mail to `.soon.` is deferred for 1 s. */
const witness = `
const { host } = require('haraka-plugin-sluice-host')
exports.register = function () {
  host.onSettled((s) => this.lognotice('SETTLED ' + s.attempt.hmail.todo.domain + ' ' + JSON.stringify(s.recipients)))
}
exports.hook_delivered = function (next, hmail) { this.lognotice('ENDED ' + hmail.todo.domain + ' delivered'); next() }
exports.hook_deferred = function (next, hmail, { err }) {
  this.lognotice('ENDED ' + hmail.todo.domain + ' deferred ' + err)
  this.lognotice('REPLY ' + hmail.todo.domain + ' ' + (hmail.todo.rcpt_to[0].dsn_smtp_response ?? 'none'))
  if (hmail.todo.domain.includes('.soon.')) next(DENYSOFT, 1)
  else next()
}
exports.hook_bounce = function (next, hmail, err) {
  this.lognotice('ENDED ' + hmail.todo.domain + ' bounced ' + err.message)
  next()
}`

const { repair: repairShared, guarded } = sharing({
  plugins: ['mx', 'witness'],
  localPlugins: { mx: routingByDomain, witness },
  config: {
    'outbound.ini': 'concurrency_max=200\nlocal_mx_ok=true\nenable_tls=true\ntemp_fail_intervals=300s*3\n',
    'tls.ini': '[outbound]\nforce_tls_hosts[]=127.0.0.2\n',
  },
})

/** How Haraka has ended mail to the domain so far: hook and reason. */
const endings = (haraka: HarakaProcess, domain: string): string[] =>
  haraka.matches(/ENDED (\S+) (.*)/).flatMap(([, where, how = '']) => (where === domain ? how : []))

/** Sends from nobody, so that no bounce message follows, and waits for so many ends. */
const sendAndSee = async (haraka: HarakaProcess, to: string | readonly string[], ends = 1): Promise<string[]> => {
  const [first = ''] = typeof to === 'string' ? [to] : to
  const domain = first.slice(first.indexOf('@') + 1)
  await submit(haraka.port, { from: '', to })
  await haraka.until(() => endings(haraka, domain).length >= ends, `to end mail to ${domain} ${ends} times`)
  return endings(haraka, domain)
}

const settled = (haraka: HarakaProcess, domain: string): RecipientResult[] =>
  haraka
    .matches(/SETTLED (\S+) (.*)/)
    .flatMap(([, where, json = '']) => (where === domain ? (JSON.parse(json) as RecipientResult[]) : []))

describe('replies', () => {
  repairShared('251 to RCPT is acceptance', async ({ haraka, receive, expect }) => {
    const receiver = await receive({ at: { rcpt: '251 will forward' } })
    const domain = domainOf([receiver])
    await submit(haraka.port, { from: '', to: `a@${domain}` })
    const left = () => receiver.commands[0]?.includes('QUIT') ?? false
    await expect.poll(() => left() || endings(haraka, domain).length > 0, { timeout: 15_000 }).toBe(true)
    expect(endings(haraka, domain)).toEqual(['delivered'])
    expect(receiver.acceptedRecipients).toEqual([`a@${domain}`])
  })

  repairShared('a 554 banner defers with its text', async ({ haraka, receive, expect }) => {
    const domain = domainOf([await receive({ at: { banner: '554 5.7.1 blocked' } })])
    expect(await sendAndSee(haraka, `a@${domain}`)).toEqual(['deferred 554 5.7.1 blocked'])
  })

  repairShared('a 421 banner sends the mail to the next MX', async ({ haraka, receive, expect }) => {
    const domain = domainOf([await receive({ at: { banner: '421 4.3.2 busy' } }), await receive()])
    expect(await sendAndSee(haraka, `a@${domain}`)).toEqual(['delivered'])
  })

  repairShared('552 “too many recipients” defers', async ({ haraka, receive, expect }) => {
    const rcpt = (address: string) => (address.startsWith('b') ? '552 5.5.3 too many recipients' : undefined)
    const domain = domainOf([await receive({ rcpt })])
    const ends = await sendAndSee(haraka, [`a@${domain}`, `b@${domain}`], 2)
    expect(ends.toSorted()).toEqual(['deferred 452 5.5.3 too many recipients', 'delivered'])
  })

  repairShared(
    'a line that is no reply goes to the next MX, and bounces nobody',
    async ({ haraka, receive, expect }) => {
      const domain = domainOf([await receive({ at: { mail: 'hello there' } }), await receive()])
      expect(await sendAndSee(haraka, `a@${domain}`)).toEqual(['delivered'])
    },
  )

  repairShared('a code without a text is a reply', async ({ haraka, receive, expect }) => {
    const domain = domainOf([await receive({ at: { mail: '250', rcpt: '250' } })])
    expect(await sendAndSee(haraka, `a@${domain}`)).toEqual(['delivered'])
  })

  repairShared(
    'a connection closed after the dot makes no copy at the next MX',
    async ({ haraka, receive, expect }) => {
      const [first, second] = [await receive({ at: { dot: { do: 'close', accept: true } } }), await receive()]
      const [end] = await sendAndSee(haraka, `a@${domainOf([first, second])}`)
      expect(second.accepted).toEqual([])
      expect(first.accepted).toHaveLength(1)
      expect(end).toMatch(/^deferred .*closed.* \(dot\)$/)
    },
  )
})

describe('evidence', () => {
  repairShared('a refused connection is told with its host and reason', async ({ haraka, receive, expect }) => {
    const gone = await receive()
    const domain = domainOf([gone])
    const { port } = gone
    await gone.close()
    await sendAndSee(haraka, `a@${domain}`)
    expect(settled(haraka, domain)).toMatchObject([
      {
        kind: 'deferred',
        evidence: { remote_ip: '127.0.0.1', port, phase: 'connect', lines: [expect.stringMatching(/ECONNREFUSED/)] },
      },
    ])
  })

  repairShared(
    'a refusal is told in full: code, enhanced code, every line, times',
    async ({ haraka, receive, expect }) => {
      const receiver = await receive({ at: { mail: '450-4.7.28 limit\r\n450 4.7.28 of this hour' } })
      const domain = domainOf([receiver])
      await sendAndSee(haraka, `a@${domain}`)
      expect(settled(haraka, domain)).toMatchObject([
        {
          kind: 'deferred',
          evidence: {
            local_ip: '127.0.0.1',
            remote_ip: '127.0.0.1',
            port: receiver.port,
            phase: 'mail',
            code: 450,
            enhanced: '4.7.28',
            lines: ['450-4.7.28 limit', '450 4.7.28 of this hour'],
          },
        },
      ])
    },
  )
})

describe('TLS and credentials', () => {
  repairShared('TLS that was only wished for does not keep the mail', async ({ haraka, receive, expect }) => {
    const domain = domainOf([await receive({ tls: true, brokenTls: true })])
    expect(await sendAndSee(haraka, `a@${domain}`)).toEqual(['delivered'])
  })

  repairShared('4xx to STARTTLS does not keep the mail where TLS is only wished for', async (tools) => {
    const { haraka, receive, expect } = tools
    const domain = domainOf([await receive({ tls: true, at: { starttls: '454 4.7.0 not now' } })])
    expect(await sendAndSee(haraka, `a@${domain}`)).toEqual(['delivered'])
  })

  repairShared('5xx to EHLO where TLS is required defers: HELO cannot have it', async ({ haraka, receive, expect }) => {
    const receiver = await receive({ at: { ehlo: '502 5.5.1 what is EHLO' } }, '127.0.0.2')
    const domain = domainOf([receiver], 'forced')
    await submit(haraka.port, { from: '', to: `a@${domain}` })
    const hangs = () => haraka.matches(/Blocking attempt to send unencrypted data/).length > 0
    await haraka.until(() => endings(haraka, domain).length === 1 || hangs(), 'to end the attempt, or never')
    expect(endings(haraka, domain)).toEqual([expect.stringMatching(/^deferred .*TLS is required and not offered/)])
    expect(receiver.commands[0]).not.toContain('MAIL FROM:<>')
  })

  repairShared('refused credentials defer', async ({ haraka, receive, expect }) => {
    const domain = domainOf([await receive({ offers: ['AUTH PLAIN'], at: { auth: '535 5.7.8 no' } })], 'auth')
    expect(await sendAndSee(haraka, `a@${domain}`)).toEqual(['deferred 535 5.7.8 no'])
  })

  repairShared('credentials that cannot be used are not left out', async ({ haraka, receive, expect }) => {
    const receiver = await receive()
    const [end] = await sendAndSee(haraka, `a@${domainOf([receiver], 'auth')}`)
    expect(receiver.accepted).toEqual([])
    expect(end).toMatch(/^deferred .*no usable AUTH mechanism/)
  })
})

describe('what the receiver offers', () => {
  repairShared('SIZE and 8BITMIME are used', async ({ haraka, receive, expect }) => {
    const receiver = await receive({ offers: ['SIZE 100000', '8BITMIME'] })
    await submit(haraka.port, { from: '', to: `a@${domainOf([receiver])}`, message: 'Subject: x\r\n\r\nfür\r\n' })
    await expect.poll(() => receiver.accepted.length).toBe(1)
    expect(receiver.commands[0]).toContainEqual(expect.stringMatching(/^MAIL FROM:<> SIZE=\d+ BODY=8BITMIME$/))
  })

  repairShared('a message that is too large is not sent at all', async ({ haraka, receive, expect }) => {
    const receiver = await receive({ offers: ['SIZE 10'] })
    const [end] = await sendAndSee(haraka, `a@${domainOf([receiver])}`)
    expect(receiver.commands[0]?.filter((line) => line.startsWith('MAIL'))).toEqual([])
    expect(end).toMatch(/^bounced 552 5\.3\.4/)
  })

  repairShared('an address that needs SMTPUTF8 is not sent to a receiver without it', async (tools) => {
    const { haraka, receive, expect } = tools
    const receiver = await receive()
    const [end] = await sendAndSee(haraka, `jörg@${domainOf([receiver])}`)
    expect(receiver.commands[0]?.filter((line) => line.startsWith('RCPT'))).toEqual([])
    expect(end).toMatch(/^bounced 550 5\.6\.7/)
  })
})

repairShared('the second mail goes over the connection of the first', async ({ haraka, receive, expect }) => {
  const receiver = await receive()
  const domain = domainOf([receiver])
  await sendAndSee(haraka, `a@${domain}`)
  await sendAndSee(haraka, `b@${domain}`, 2)
  expect(receiver.accepted).toHaveLength(2)
  expect(receiver.connections).toBe(1)
})

repair('a receiver that is slow to answer the dot gets one copy', async ({ start, receive, expect }) => {
  const receiver = await receive({ at: { dot: { do: 'delay', ms: 2500, text: '250 2.0.0 taken' } } })
  const haraka = await start({
    plugins: ['mx', 'witness'],
    localPlugins: { mx: routing(receiver.port), witness },
    config: { 'outbound.ini': 'connect_timeout=1\nlocal_mx_ok=true\ntemp_fail_intervals=300s\n' },
  })
  expect(await sendAndSee(haraka, 'a@x.test')).toEqual(['delivered'])
  expect(receiver.accepted).toHaveLength(1)
})

repair('five slots are five connections', async ({ start, receive, expect }) => {
  const receiver = await receive({ at: { quit: { do: 'delay', ms: 100, text: '221 bye' } } })
  const haraka = await start({
    plugins: ['mx'],
    localPlugins: { mx: routing(receiver.port) },
    config: { 'outbound.ini': 'concurrency_max=5\nlocal_mx_ok=true\n' },
  })
  await Promise.all(Array.from({ length: 40 }, (_, n) => submit(haraka.port, { to: `u${n}@x.test` })))
  await haraka.until(() => haraka.matches(/delivered file/).length === 40, 'to deliver all')
  expect(receiver.accepted).toHaveLength(40)
  expect(receiver.mostOpen).toBeLessThanOrEqual(5)
})

repair('recipients that are split off keep their number of attempts', async ({ start, receive, expect }) => {
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
  await expect.poll(async () => (await haraka.queue()).length).toBe(1)
  await expect
    .poll(async () => (await haraka.queue()).map((name) => name.split('_')[2]), { timeout: 2000 })
    .toEqual(['3'])
})

guarded('a reply of last week is not told as today’s', async ({ haraka, receive, expect }) => {
  const receiver = await receive((connection) => (connection === 0 ? { at: { mail: '450 4.2.0 last week' } } : {}))
  const domain = domainOf([receiver], 'soon')
  const replies = () => haraka.matches(/REPLY (\S+) (.*)/).flatMap(([, where, text]) => (where === domain ? text : []))
  await submit(haraka.port, { from: '', to: `a@${domain}` })
  await haraka.until(() => replies().length === 1, 'to defer')
  await receiver.close()
  await haraka.until(() => replies().length === 2, 'to defer again')
  expect(replies()).toEqual(['last week', 'none'])
})

guarded('the bounce says what the receiver said (RFC 3464)', async ({ haraka, receive, expect }) => {
  const receiver = await receive({
    rcpt: (address) => (address.startsWith('b@') ? '550 5.1.1 nobody here' : undefined),
  })
  const domain = domainOf([receiver])
  await submit(haraka.port, { from: `sender@${domain}`, to: [`a@${domain}`, `b@${domain}`] })
  await expect.poll(() => receiver.accepted.length, { timeout: 15_000 }).toBe(2)
  const notice = receiver.accepted.find((one) => one.from === '')?.content
  expect(receiver.acceptedRecipients.toSorted()).toEqual([`a@${domain}`, `sender@${domain}`])
  expect(notice).toMatch(/^Final-Recipient: rfc822;b@\S+\r\nAction: failed\r\nStatus: 5\.1\.1/m)
  expect(notice).toMatch(/^Diagnostic-Code: smtp;550 5\.1\.1 nobody here/m)
  expect(notice).not.toMatch(/rfc822;a@/)
})

guarded('LMTP stays with Haraka’s client', async ({ haraka, receive, expect }) => {
  const receiver = await receive()
  await submit(haraka.port, { from: '', to: `a@${domainOf([receiver], 'lmtp')}` })
  // The receiver knows no LHLO; what counts is that it was said.
  await expect.poll(() => receiver.commands[0], { timeout: 15_000 }).toEqual(['LHLO haraka.test', 'QUIT'])
})
