// The Haraka plugin `sluice-outcome`: records what happens to every recipient: accepted when the message is queued,
// then what host reports of each attempt. List it after `sluice-host`. It never holds, changes or refuses a mail.

import { tagOf } from '@sluice/core/stream/tag'
import { host, type MailAddress } from 'haraka-plugin-sluice-host'

import { Recorder } from './recorder'

interface HarakaPlugin {
  /** Seconds; 0 = none. */
  timeout: number
  register_hook(hook: string, method: string, priority?: number): void
  lognotice(...data: unknown[]): void
  logerror(...data: unknown[]): void
}

interface Connection {
  readonly relaying: boolean
  readonly transaction: {
    readonly uuid: string
    readonly notes: Record<string, unknown>
    readonly mail_from: MailAddress | null
    readonly rcpt_to: readonly MailAddress[]
  } | null
}

let recorder: Recorder | undefined

export function register(this: HarakaPlugin): void {
  this.timeout = 0
  recorder = new Recorder({
    host,
    log: { notice: (text) => this.lognotice(text), error: (text) => this.logerror(text) },
    harakaFolder: process.env['HARAKA'] ?? process.cwd(),
  })
  this.register_hook('queue_ok', 'record_accepted')
  process.once('exit', () => recorder?.close())
  process.prependOnceListener('SIGTERM', () => {
    recorder?.close()
    // Where nobody else ends the process, the signal does what it would have done without us.
    if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM')
  })
}

export function record_accepted(next: () => void, { relaying, transaction }: Connection): void {
  const tag = transaction ? tagOf(transaction.notes) : undefined
  if (relaying && transaction && tag) {
    recorder?.accepted({
      tag,
      queueId: transaction.uuid,
      senderDomain: transaction.mail_from?.host ?? '',
      recipients: transaction.rcpt_to.map(({ address }) => address),
      at: Date.now(),
    })
  }
  next()
}

export function shutdown(): void {
  recorder?.close()
}
