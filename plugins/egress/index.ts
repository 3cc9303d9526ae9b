// The Haraka plugin `sluice-egress`: decides by which source each mail leaves, and when. List it after `sluice-host`,
// which applies the route in get_mx and delivers along it. The hook answers once or parks the mail; there is no
// time-out, because a mail whose send_email times out would be sent without a route.

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

import { host, type HMail } from 'haraka-plugin-sluice-host'

import type { Next } from './candidate'
import { Egress } from './egress'

/** The `this` of a hook. */
interface HarakaPlugin {
  /** Seconds; 0 = none. */
  timeout: number
  readonly config: { get(name: string): unknown }
  register_hook(hook: string, method: string, priority?: number): void
  lognotice(...data: unknown[]): void
  logerror(...data: unknown[]): void
}

let egress: Egress | undefined

export function register(this: HarakaPlugin): void {
  this.timeout = 0
  const me = this.config.get('me')
  egress = new Egress({
    host,
    log: { notice: (text) => this.lognotice(text), error: (text) => this.logerror(text) },
    // The pid alone would meet itself again after a restart, and on another host.
    worker: `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`,
    me: typeof me === 'string' && me !== '' ? me : hostname(),
  })
  this.register_hook('send_email', 'choose_and_admit')
}

export function choose_and_admit(next: Next, hmail: HMail): void {
  egress?.sendEmail(next, hmail)
}

export function shutdown(): void {
  egress?.close()
}
