// What makes a message recognisable when it is reported about: the signed return path, given in MAIL at each attempt,
// and the header fields, written once when the message is accepted. Mail from the null sender carries neither: it is a
// report or an automatic answer itself (RFC 5321 4.5.5, RFC 3834), and must not be answered.

import type { FeedbackConfig } from '@sluice/core/config/feedback'
import { feedbackHeaders } from '@sluice/core/feedback/headers'
import { keyringOf } from '@sluice/core/identity/keyring'
import { signReturnPath } from '@sluice/core/identity/return-path'
import type { Keyring } from '@sluice/core/identity/token'
import { tagOf, type Tag } from '@sluice/core/stream/tag'
import { readSecret, type HMail } from 'haraka-plugin-sluice-host'

import type { Transaction } from './transaction'

export class Identity {
  private readonly keys: Keyring

  /** @throws SluiceError SLUICE_SECRET_MISSING */
  constructor(private readonly config: FeedbackConfig) {
    this.keys = keyringOf(config, readSecret)
  }

  /** The address for MAIL; undefined where the sender's own stays. One recipient in the queue file is bound to it. */
  returnPathOf({ todo }: HMail): string | undefined {
    const { return_path } = this.config
    const tag = tagOf(todo.notes)
    if (!return_path || !tag || todo.mail_from.address === '') return undefined
    if (return_path.streams && !return_path.streams.includes(tag.stream)) return undefined
    const [recipient] = todo.rcpt_to
    const { message_id } = tag
    const bound = todo.rcpt_to.length === 1 && recipient ? { message_id, recipient: recipient.address } : { message_id }
    return signReturnPath(this.keys, return_path.domain, bound)
  }

  /** Writes the header fields; before DKIM signs. */
  mark(transaction: Transaction, tag: Tag): void {
    if (!transaction.mail_from?.address) return
    const { remove, add } = feedbackHeaders(this.config, this.keys, {
      tag,
      recipients: transaction.rcpt_to.map(({ address }) => address),
      header: (name) => transaction.header.get_all(name)[0],
    })
    for (const name of remove) transaction.remove_header(name)
    for (const [name, value] of add) transaction.add_header(name, value)
  }
}
