// One Haraka for many cases: a local plugin sends each mail where its case says and logs what the host reports of it.
// A case brings its route in a header of its messages and has a lane of its own; what Haraka sends to the sender of a
// case (bounces) goes by the same route.

import { readdir } from 'node:fs/promises'

import { HarakaProcess } from '../../harness/haraka'
import { submit, type Submission } from '../../harness/submit'
import type { Evidence, MxHost, RecipientResult } from '../../../plugins/host/contract'

export interface TestRoute {
  readonly hosts: readonly Partial<MxHost>[]
  readonly timeouts?: Partial<Record<'connect' | 'banner' | 'mail' | 'rcpt' | 'data' | 'block' | 'dot', number>>
  readonly messages_per_connection?: number
  readonly idle_ms?: number
  /** Connections at a time; mail without a lease is parked. */
  readonly limit?: number
}

const recorderPlugin = `
const { host } = require('haraka-plugin-sluice-host')
const ms = 5000
const timeouts = { connect: ms, banner: ms, mail: ms, rcpt: ms, data: ms, block: ms, dot: ms }
const cases = new Map()
let next_id = 0
const caseOf = (hmail) => cases.get(hmail.todo.notes.test_case ?? hmail.todo.domain)
const wake = (one) => { const hmail = one?.parked.shift(); if (hmail) host.wake(hmail) }
const leaseOf = (one, tell) => {
  tell(++one.held)
  let released = false
  return { id: String(++next_id), release() { if (released) return; released = true; tell(--one.held); wake(one) } }
}
exports.register = function () {
  this.timeout = 0
  host.onIdle((lane) => wake(cases.get(lane)))
  host.onSettled((s) => {
    this.lognotice('SETTLED ' + caseOf(s.attempt.hmail).name + ' ' + JSON.stringify({
      number: s.attempt.number, uuid: s.attempt.hmail.todo.uuid, recipients: s.recipients, tries: s.tries,
    }))
  })
}
exports.hook_data_post = (next, { transaction }) => {
  const name = transaction.header.get('X-Case').trim()
  const one = cases.get(name) ?? { name, held: 0, parked: [] }
  one.route = JSON.parse(transaction.header.get('X-Route'))
  cases.set(name, one)
  transaction.notes.test_case = name
  next()
}
exports.hook_send_email = function (next, hmail) {
  const one = caseOf(hmail)
  const { name, route, held } = one
  const tell = (count) => this.lognotice('LEASES ' + name + ' ' + count)
  const granted = host.takeIdle(name) ?? (held < (route.limit ?? 1000) ? leaseOf(one, tell) : undefined)
  if (!granted) { one.parked.push(hmail); host.park(hmail); return }
  host.begin(hmail).route = {
    pool: 'p', source: name, provider: 'test', site: '', lane: name, propensity: 1, routing_version: 0,
    hosts: route.hosts.map((one) => ({ name: 'mx.test', addresses: ['127.0.0.1'], port: 25, tls: 'none', ...one })),
    bind: { v4: '127.0.0.1' }, ehlo: 'sender.test', lease: granted,
    messages_per_connection: route.messages_per_connection ?? 100, idle_ms: route.idle_ms ?? 0,
    recipients_per_message: route.recipients_per_message ?? 100,
    timeouts: { ...timeouts, ...route.timeouts },
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

/** Mail of one test: sender, lane, leases and settlements are its own. */
export class Case {
  constructor(
    readonly haraka: HarakaProcess,
    /** Also the domain of its sender. */
    readonly name: string,
    private readonly route: TestRoute,
  ) {}

  async submit(to: string | readonly string[], submission: Partial<Submission> = {}): Promise<void> {
    const headers = { 'X-Case': this.name, 'X-Route': JSON.stringify(this.route) }
    await submit(this.haraka.port, { from: `sender@${this.name}`, ...submission, to, headers })
  }

  settlements(): Settled[] {
    const said = this.haraka.matches(/SETTLED (\S+) (\{.*)/).filter(([, name]) => name === this.name)
    return said.map(([, , json = '']) => JSON.parse(json) as Settled)
  }

  /** Waits until so many attempts have been settled. */
  async settled(count: number, timeoutMs?: number): Promise<Settled[]> {
    await this.haraka.until(() => this.settlements().length >= count, `to settle ${count} attempts`, timeoutMs)
    return this.settlements()
  }

  /** Waits until no lease is held: every connection it paid for is closed. */
  async leasesReturned(): Promise<void> {
    const held = () => this.haraka.matches(/LEASES (\S+) (\d+)/).findLast(([, name]) => name === this.name)?.[2]
    await this.haraka.until(() => held() === '0', 'to return all leases')
  }
}

export class RecordingHaraka {
  private cases = 0

  private constructor(
    readonly haraka: HarakaProcess,
    private readonly descriptorsAtStart: number,
  ) {}

  static async start(): Promise<RecordingHaraka> {
    const haraka = await HarakaProcess.start({
      plugins: ['sluice-host', 'recorder'],
      localPlugins: { recorder: recorderPlugin },
      config: { 'outbound.ini': 'temp_fail_intervals=300s\nlocal_mx_ok=true\n' },
    })
    return new RecordingHaraka(haraka, await descriptorsOf(haraka))
  }

  open(route: TestRoute): Case {
    return new Case(this.haraka, `case${this.cases++}.test`, route)
  }

  /** Descriptors (sockets and files) that are open now and were not when nothing had been sent. */
  async descriptorsLeft(): Promise<number> {
    return (await descriptorsOf(this.haraka)) - this.descriptorsAtStart
  }

  async stop(): Promise<void> {
    await this.haraka.stop()
  }
}

const descriptorsOf = async ({ pid }: HarakaProcess): Promise<number> => (await readdir(`/proc/${pid}/fd`)).length
