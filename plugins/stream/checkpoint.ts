// The three places where a suppressed recipient is stopped, each with a record of it:
//
//   RCPT            everywhere suppressed: 550 (where feedback.yaml says `suppressed: reject`)
//   end of data     stream and tenant are known now; who is suppressed for them is left out, and a message that nobody
//                   may get is refused (`reject`) or taken and forgotten (`drop`)
//   before delivery who was suppressed meanwhile does not get what has been waiting
//
// Where Redis is away, mail goes on.

import type { FeedbackConfig } from '@sluice/core/config/feedback'
import { sayHold, type Hold } from '@sluice/core/suppression/check'
import { scopesFor } from '@sluice/core/suppression/entry'
import { tagOf, type Tag } from '@sluice/core/stream/tag'
import type { HMail, Host, MailAddress, Suppressed } from 'haraka-plugin-sluice-host'

import type { SuppressionList } from './suppression-list'
import { messageIdOf, type Transaction } from './transaction'

/** Key of the time of the last check in Haraka's notes, ms since 1970; absent where Redis was away. */
const checkedNote = 'sluice_checked'
/** A mail that was checked so recently is not checked again. ms */
const freshMs = 10_000

/** What the submitter hears; undefined = go on. */
export type Refusal = string | undefined

const everywhere = scopesFor('', '')

export class Checkpoint {
  constructor(
    private readonly host: Pick<Host, 'dropRecipients' | 'tellSuppressed'>,
    private readonly list: SuppressionList,
    private readonly mode: () => FeedbackConfig['suppressed'],
  ) {}

  async atRcpt(transaction: Transaction, { address }: MailAddress): Promise<Refusal> {
    if (this.mode() !== 'reject') return undefined
    const now = Date.now()
    const hold = (await this.list.check([address], everywhere, now))?.get(address)
    if (!hold) return undefined
    const tag = {
      message_id: messageIdOf(transaction),
      stream: '',
      tenant: '',
      campaign: '',
      header_message_id: '',
      size: 0,
    }
    this.tell(new Map([[address, hold]]), now, 'rcpt', tag, transaction.uuid, transaction.mail_from)
    return refusalOf(address, hold)
  }

  /** Takes suppressed recipients off the transaction. */
  async atEndOfData(transaction: Transaction, tag: Tag): Promise<Refusal> {
    const addresses = transaction.rcpt_to.map(({ address }) => address)
    const now = Date.now()
    const holds = await this.list.check(addresses, scopesFor(tag.tenant, tag.stream), now)
    if (!holds) return undefined
    transaction.notes[checkedNote] = now
    if (holds.size === 0) return undefined
    this.tell(holds, now, 'queue', tag, transaction.uuid, transaction.mail_from)
    transaction.rcpt_to = transaction.rcpt_to.filter(({ address }) => !holds.has(address))
    const [first] = holds
    return first && transaction.rcpt_to.length === 0 && this.mode() === 'reject' ? refusalOf(...first) : undefined
  }

  /** @returns false where nobody is left and the mail is gone */
  async beforeDelivery(hmail: HMail): Promise<boolean> {
    const { todo } = hmail
    const tag = tagOf(todo.notes)
    const now = Date.now()
    const checked = todo.notes[checkedNote]
    if (!tag || (typeof checked === 'number' && now - checked < freshMs)) return true
    const addresses = todo.rcpt_to.map(({ address }) => address)
    const holds = await this.list.check(addresses, scopesFor(tag.tenant, tag.stream), now)
    if (!holds) return true
    todo.notes[checkedNote] = now
    if (holds.size === 0) return true
    this.tell(holds, now, 'queue', tag, todo.uuid, todo.mail_from)
    return this.host.dropRecipients(hmail, new Set(holds.keys()))
  }

  private tell(
    holds: ReadonlyMap<string, Hold>,
    at: number,
    phase: Suppressed['phase'],
    tag: Tag,
    queue_id: string,
    sender: MailAddress | null,
  ): void {
    this.host.tellSuppressed({
      at,
      tag,
      queue_id,
      sender_domain: sender?.host ?? '',
      phase,
      recipients: [...holds].map(([address, hold]) => ({ address, reason: hold.reason, says: sayHold(hold) })),
    })
  }
}

const refusalOf = (address: string, hold: Hold): string => `5.7.1 <${address}> is suppressed: ${sayHold(hold)}`
