// Local Haraka plugin for tests: sends each mail where the test says and logs what the host reports of it.

import type { HarakaProcess } from '../../harness/haraka'
import type { Evidence, MxHost, RecipientResult } from '../../../plugins/host/contract'

export interface TestRoute {
  readonly hosts: readonly Partial<MxHost>[]
  readonly timeouts?: Partial<Record<'connect' | 'banner' | 'mail' | 'rcpt' | 'data' | 'block' | 'dot', number>>
  readonly messages_per_connection?: number
  readonly idle_ms?: number
  /** Connections at a time; mail without a lease is parked. */
  readonly limit?: number
}

/** Source of a plugin that routes all mail by `route`, with leases of a simple lane. */
export const recorderPlugin = (route: TestRoute): string => `
const { host } = require('haraka-plugin-sluice-host')
const route = ${JSON.stringify(route)}
const timeouts = { connect: 2000, banner: 2000, mail: 2000, rcpt: 2000, data: 2000, block: 2000, dot: 2000, ...route.timeouts }
const limit = route.limit ?? 1000
const lane = 'test|test'
const parked = []
let held = 0
let next_id = 0
const lease = () => {
  held++
  let released = false
  return { id: String(++next_id), release() { if (released) return; released = true; held--; wake() } }
}
const wake = () => { const hmail = parked.shift(); if (hmail) host.wake(hmail) }
exports.register = function () {
  this.timeout = 0
  host.onIdle(wake)
  host.onSettled((s) => {
    this.lognotice('SETTLED ' + JSON.stringify({
      number: s.attempt.number, uuid: s.attempt.hmail.todo.uuid, recipients: s.recipients, tries: s.tries,
    }))
  })
  setInterval(() => this.lognotice('LEASES ' + held + ' PARKED ' + parked.length), 100).unref()
}
exports.hook_send_email = function (next, hmail) {
  const granted = host.takeIdle(lane) ?? (held < limit ? lease() : undefined)
  if (!granted) { parked.push(hmail); host.park(hmail); return }
  host.begin(hmail).route = {
    pool: 'p', source: 'test', provider: 'test', site: '', lane, propensity: 1, routing_version: 0,
    hosts: route.hosts.map((one) => ({ name: 'mx.test', addresses: ['127.0.0.1'], port: 25, tls: 'none', ...one })),
    bind: { v4: '127.0.0.1' }, ehlo: 'sender.test', lease: granted,
    messages_per_connection: route.messages_per_connection ?? 100, idle_ms: route.idle_ms ?? 0, timeouts,
  }
  next()
}
`

export interface Settled {
  readonly number: number
  readonly uuid: string
  readonly recipients: readonly RecipientResult[]
  readonly tries: readonly Evidence[]
}

export const settlementsOf = (haraka: HarakaProcess): Settled[] =>
  haraka.matches(/SETTLED (\{.*)/).map(([, json = '']) => JSON.parse(json) as Settled)

/** Waits until so many attempts have been settled. */
export const settled = async (haraka: HarakaProcess, count: number, timeoutMs?: number): Promise<Settled[]> => {
  await haraka.until(() => settlementsOf(haraka).length >= count, `to settle ${count} attempts`, timeoutMs)
  return settlementsOf(haraka)
}

/** Waits until no lease is held: every connection it paid for is closed. */
export const leasesReturned = async (haraka: HarakaProcess): Promise<void> => {
  const from = haraka.log.length
  await haraka.until(() => haraka.log.slice(from).some((line) => line.includes('LEASES 0 ')), 'to return all leases')
}
