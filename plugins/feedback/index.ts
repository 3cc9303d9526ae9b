// The Haraka plugin `sluice-feedback`: takes mail for the signed return paths and the report addresses of
// feedback.yaml, and for nothing else, into the report spool; the sidecar reads it there. A return path whose
// signature is wrong or has lapsed is refused with 550. A report shares its transaction with no other mail. List it
// after `sluice-host`, before any plugin that answers rcpt or queue.

import { hostname } from 'node:os'
import path from 'node:path'

import type { FeedbackConfig } from '@sluice/core/config/feedback'
import { messageOf } from '@sluice/core/errors'
import { addresseeOf } from '@sluice/core/feedback/addressee'
import { Allowance } from '@sluice/core/feedback/allowance'
import { keyringOf } from '@sluice/core/identity/keyring'
import type { Keyring, TokenFault } from '@sluice/core/identity/token'
import { reportNote } from '@sluice/core/stream/tag'
import { host, readSecret, type MailAddress } from 'haraka-plugin-sluice-host'

import { ReportSpool } from './report-spool'

interface HarakaPlugin {
  /** Seconds; 0 = none. */
  timeout: number
  register_hook(hook: string, method: string, priority?: number): void
  lognotice(...data: unknown[]): void
  logerror(...data: unknown[]): void
}

interface Transaction {
  readonly notes: Record<string, unknown>
  readonly mail_from: MailAddress | null
  readonly rcpt_to: readonly MailAddress[]
  readonly data_bytes: number
  readonly message_stream: {
    get_data(options: { dot_stuffed: boolean; ending_dot: boolean }, done: (data: Buffer) => void): void
  }
}

interface Connection {
  readonly remote: { readonly ip: string }
  readonly transaction: Transaction | null
}

type Next = (code?: number, message?: string | string[]) => void

/** haraka-constants */
const answer = { deny: 902, denysoft: 903, ok: 906 } as const

interface Feedback {
  readonly config: FeedbackConfig
  readonly keys: Keyring
  readonly spool: ReportSpool
}

const allowance = new Allowance()
let feedback: Feedback | undefined

export function register(this: HarakaPlugin): void {
  this.timeout = 0
  feedback = load(host.configuration.current.feedback)
  host.configuration.onChange((now) => {
    try {
      feedback = load(now.feedback)
    } catch (thrown) {
      this.logerror(`feedback.yaml refused, the last good one stays: ${messageOf(thrown)}`)
    }
  })
  this.register_hook('rcpt', 'take_reports', -50)
  this.register_hook('data_post', 'limit_reports', -50)
  this.register_hook('queue', 'store_report', -100)
  // A client that may relay reaches queue_outbound instead: its report must not leave by our own MX.
  this.register_hook('queue_outbound', 'store_report', -100)
}

const load = (config: FeedbackConfig | undefined): Feedback | undefined =>
  config && {
    config,
    keys: keyringOf(config, readSecret),
    spool: new ReportSpool(
      path.resolve(process.env['HARAKA'] ?? process.cwd(), config.intake.folder),
      hostname(),
      String(process.pid),
      () => host.configuration.current.sluice.spool.min_free_mb,
    ),
  }

const refusals: Record<TokenFault, string> = {
  malformed: 'no such return path',
  unknown_key: 'this return path was not issued here',
  forged: 'this return path was not issued here',
  not_yet_valid: 'this return path was not issued here',
  expired: 'this return path has expired',
}

export function take_reports(next: Next, { transaction }: Connection, [recipient]: [MailAddress]): void {
  if (!feedback || !transaction) {
    next()
    return
  }
  const { config, keys } = feedback
  const addressee = addresseeOf(config, keys, recipient.address, Date.now())
  const isReport = transaction.notes[reportNote] === true
  if (addressee.kind === 'refuses') {
    next(answer.deny, `5.1.1 <${recipient.address}>: ${refusals[addressee.fault]}`)
  } else if (addressee.kind === 'stranger') {
    if (isReport) next(answer.denysoft, '4.5.3 a report goes alone: send this recipient in a message of its own')
    else next()
  } else if (!isReport && transaction.rcpt_to.length > 1) {
    // Haraka has put the recipient at hand into rcpt_to already.
    next(answer.denysoft, '4.5.3 a report goes alone: send this recipient in a message of its own')
  } else {
    transaction.notes[reportNote] = true
    next(answer.ok)
  }
}

export function limit_reports(next: Next, { transaction, remote }: Connection): void {
  if (!feedback || transaction?.notes[reportNote] !== true) {
    next()
    return
  }
  const { intake } = feedback.config
  const limits = { perMinute: intake.per_minute, perMinutePerClient: intake.per_minute_per_client }
  if (transaction.data_bytes > intake.max_size_mb) {
    next(answer.deny, `5.3.4 a report may have ${intake.max_size_mb} bytes`)
  } else if (!allowance.take(remote.ip, limits, Date.now())) {
    next(answer.denysoft, '4.4.5 too many reports, try again later')
  } else {
    next()
  }
}

export function store_report(this: HarakaPlugin, next: Next, { transaction, remote }: Connection): void {
  const { spool } = feedback ?? {}
  if (transaction?.notes[reportNote] !== true) {
    next()
    return
  }
  if (!spool) {
    // feedback.yaml went away after RCPT.
    next(answer.denysoft, '4.3.0 reports are not taken now, try again later')
    return
  }
  const envelope = {
    v: 1,
    at: Date.now(),
    client_ip: remote.ip,
    mail_from: transaction.mail_from?.address ?? '',
    rcpt_to: transaction.rcpt_to.map(({ address }) => address),
  } as const
  // `dot_stuffed` says what is kept: the stream then takes the stuffing of SMTP off.
  transaction.message_stream.get_data({ dot_stuffed: true, ending_dot: false }, (message) => {
    spool.store(envelope, message).then(
      (name) => next(answer.ok, `report taken as ${name}`),
      (thrown: unknown) => {
        this.logerror(`report from ${remote.ip} not stored: ${messageOf(thrown)}`)
        next(answer.denysoft, '4.3.1 the report cannot be stored now, try again later')
      },
    )
  })
}
