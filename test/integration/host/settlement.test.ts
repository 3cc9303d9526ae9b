// Each attempt is settled exactly once, with one result per recipient, also where recipients fare differently.

import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { HarakaProcess } from '../../harness/haraka'
import { submit } from '../../harness/submit'

/** Routes everything to one port and logs what the host reports. */
const recorder = (port: number): string => `
const { host } = require('haraka-plugin-sluice-host')
exports.register = function () {
  this.timeout = 0
  let parked = 0
  host.onSettled((s) => this.lognotice('SETTLED ' + JSON.stringify({
    id: s.attempt.id, number: s.attempt.number,
    recipients: s.recipients.map((r) => ({ address: r.address, kind: r.kind, evidence: r.evidence })),
    tries: s.tries,
  })))
}
exports.hook_send_email = function (next, hmail) {
  if (hmail.todo.domain === 'park.test' && !hmail.seen) {
    hmail.seen = true
    this.lognotice('PARKED')
    setTimeout(() => host.wake(hmail), 50)
    host.park(hmail)
    return
  }
  next()
}
exports.hook_get_mx = (next, hmail, domain) => next(OK, { exchange: '127.0.0.1', port: ${port} })
`

const receivers: Server[] = []
let haraka: HarakaProcess

/** A receiver that answers each recipient by the digits its address begins with. */
const receive = async (): Promise<number> => {
  const server = createServer((socket: Socket) => {
    let data = false
    let rest = ''
    socket.write('220 hello\r\n')
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      const lines = (rest + String(chunk)).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (data) {
          if (line !== '.') continue
          data = false
          socket.write('250 2.0.0 taken\r\n')
        } else if (line === 'DATA') {
          data = true
          socket.write('354 go on\r\n')
        } else {
          const code = /^RCPT TO:<(\d{3})/.exec(line)?.[1]
          socket.write(code ? `${code} said\r\n` : line === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n')
          if (line === 'QUIT') socket.end()
        }
      }
    })
  })
  receivers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

beforeAll(async () => {
  haraka = await HarakaProcess.start({
    plugins: ['sluice-host', 'recorder'],
    localPlugins: { recorder: recorder(await receive()) },
  })
})

afterAll(async () => {
  await haraka.stop()
  for (const server of receivers) server.close()
})

interface Said {
  readonly number: number
  readonly recipients: readonly { readonly address: string; readonly kind: string }[]
}

/** Of mail to the domain. */
const settlements = async (domain: string): Promise<Said[]> => {
  const all = () =>
    haraka
      .matches(/SETTLED (.*)/)
      .map(([, json = '']) => JSON.parse(json) as Said)
      .filter(({ recipients }) => recipients[0]?.address.endsWith(`@${domain}`))
  await haraka.until(() => all().length > 0, `to settle mail to ${domain}`)
  return all()
}

test('recipients that fare differently are reported together, once each', async () => {
  await submit(haraka.port, { to: ['250a@x.test', '450b@x.test', '550c@x.test', '250d@x.test'] })
  const [first] = await settlements('x.test')
  expect(first?.recipients.map(({ address, kind }) => [address, kind]).toSorted()).toEqual([
    ['250a@x.test', 'delivered'],
    ['250d@x.test', 'delivered'],
    ['450b@x.test', 'deferred'],
    ['550c@x.test', 'bounced'],
  ])
})

test('a parked mail is delivered once it is woken, without a failed attempt', async () => {
  await submit(haraka.port, { to: '250a@park.test' })
  await haraka.logged(/PARKED/)
  expect(await settlements('park.test')).toMatchObject([
    { number: 1, recipients: [{ address: '250a@park.test', kind: 'delivered' }] },
  ])
})
