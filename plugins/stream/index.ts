// The Haraka plugin `sluice-stream`: tags mail that leaves with message id, stream, tenant and campaign, makes it
// recognisable for reports, and stops it for suppressed recipients. Submitted mail is looked at late in data_post, when
// the plugins that check it have run; mail made inside Haraka (bounces, other plugins) on its way into the queue; both
// before DKIM signs; by whom it was signed is noted afterwards. Mail that does not leave is not touched. A fault of ours
// refuses the message for now (4xx): untagged it would leave by the wrong stream.

import type { FeedbackConfig } from '@sluice/core/config/feedback'
import { messageOf } from '@sluice/core/errors'
import { reportNote, tagOf } from '@sluice/core/stream/tag'
import { host, type HMail, type MailAddress } from 'haraka-plugin-sluice-host'

import { Checkpoint, type Refusal } from './checkpoint'
import { Identity } from './identity'
import { SuppressionList } from './suppression-list'
import { noteSignature, tagMessage } from './tag-message'
import { messageIdOf, type Transaction } from './transaction'

interface HarakaPlugin {
  /** Seconds; 0 = none. */
  timeout: number
  register_hook(hook: string, method: string, priority?: number): void
  lognotice(...data: unknown[]): void
  logerror(...data: unknown[]): void
}

/** Without `relaying` and `notes` where the mail was made inside Haraka. */
interface Connection {
  readonly relaying?: boolean
  readonly notes?: Record<string, unknown>
  readonly transaction: Transaction | null
}

type Next = (code?: number, message?: string) => void

/** haraka-constants */
const answer = { deny: 902, denysoft: 903 } as const
const faultText = 'Cannot be accepted now, try again later'

/** Absent where there is no feedback.yaml. */
let identity: Identity | undefined
let checkpoint: Checkpoint | undefined
let list: SuppressionList | undefined

export function register(this: HarakaPlugin): void {
  this.timeout = 0
  const log = { notice: (text: string) => this.lognotice(text), error: (text: string) => this.logerror(text) }
  const { sluice, feedback } = host.configuration.current
  const made = new SuppressionList(sluice, log)
  list = made
  const use = (config: FeedbackConfig | undefined): void => {
    identity = config && new Identity(config)
    checkpoint = config && new Checkpoint(host, made, () => config.suppressed)
  }
  use(feedback)
  host.configuration.onChange((now) => {
    try {
      made.reconfigure(now.sluice)
      use(now.feedback)
    } catch (thrown) {
      this.logerror(`configuration refused, stream keeps the last good one: ${messageOf(thrown)}`)
    }
  })
  host.signReturnPath((hmail) => identity?.returnPathOf(hmail))
  this.register_hook('rcpt', 'refuse_suppressed', -40)
  this.register_hook('data_post', 'tag_submission', 50)
  this.register_hook('pre_send_trans_email', 'tag_leaving', -100)
  this.register_hook('pre_send_trans_email', 'note_signature', 100)
  this.register_hook('send_email', 'drop_suppressed', -50)
}

export function refuse_suppressed(
  this: HarakaPlugin,
  next: Next,
  { relaying, transaction }: Connection,
  [recipient]: [MailAddress],
): void {
  if (!relaying || !transaction || !checkpoint) next()
  else settle(this, next, checkpoint.atRcpt(transaction, recipient))
}

export function tag_submission(this: HarakaPlugin, next: Next, connection: Connection): void {
  const { relaying, transaction } = connection
  if (relaying && transaction && transaction.notes[reportNote] !== true) settle(this, next, receive(connection))
  else next()
}

export function tag_leaving(this: HarakaPlugin, next: Next, connection: Connection): void {
  settle(this, next, receive(connection))
}

export function note_signature(this: HarakaPlugin, next: Next, { transaction }: Connection): void {
  try {
    if (transaction) noteSignature(transaction)
  } catch (thrown) {
    this.logerror(`SLUICE_INTERNAL: the signature of a message was not read: ${messageOf(thrown)}`)
  }
  next()
}

/** Tags; what is seen for the first time is checked and marked too. Mail made inside is checked before its delivery. */
const receive = async ({ relaying, notes, transaction }: Connection): Promise<Refusal> => {
  const { egress } = host.configuration.current
  if (!transaction || !egress) return undefined
  const isNew = tagOf(transaction.notes) === undefined
  const user = notes?.['auth_user']
  const tag = tagMessage(egress, {
    transaction,
    user: typeof user === 'string' && user !== '' ? user : undefined,
    messageId: messageIdOf(transaction),
  })
  if (!isNew) return undefined
  const refusal = relaying ? await checkpoint?.atEndOfData(transaction, tag) : undefined
  if (refusal === undefined) identity?.mark(transaction, tag)
  return refusal
}

const settle = (plugin: HarakaPlugin, next: Next, verdict: Promise<Refusal>): void => {
  verdict.then(
    (refusal) => (refusal === undefined ? next() : next(answer.deny, refusal)),
    (thrown: unknown) => {
      plugin.logerror(`SLUICE_INTERNAL: a message was not taken: ${messageOf(thrown)}`)
      next(answer.denysoft, faultText)
    },
  )
}

export function drop_suppressed(this: HarakaPlugin, next: Next, hmail: HMail): void {
  if (!checkpoint) {
    next()
    return
  }
  checkpoint.beforeDelivery(hmail).then(
    (goesOn) => {
      if (goesOn) next()
    },
    (thrown: unknown) => {
      this.logerror(`SLUICE_INTERNAL: suppression not checked: ${messageOf(thrown)}`)
      next()
    },
  )
}

export function shutdown(): void {
  list?.close()
}
