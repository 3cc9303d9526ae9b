// Our SMTP client in the place of Haraka's: takes a mail that Haraka wants delivered, runs the delivery, reports its
// end. Whatever happens inside, the mail ends in exactly one of Haraka's ways (delivered, temp_fail, bounce), and
// Haraka's delivery slot is free only when the connection is closed or handed to the pool.

import { messageOf } from '@sluice/core/errors'

import type { Attempts } from '../attempt/attempts'
import { noEvidence } from '../attempt/evidence'
import type { Evidence, RefusedRecipient } from '../contract'
import type { HarakaItem, HarakaRecipient } from '../haraka'
import { openBody, wholeBody } from '../smtp/body'
import type { FreshFiles } from '../queue/fresh-files'
import { fault } from '../smtp/reply'
import type { Mailbox } from '../smtp/transaction'
import { Delivery, type Delivered, type Tools } from './delivery'
import type { Plan } from './plan'
import { report } from './report'

export class Client {
  /** Attempts whose lease this client answers for. */
  private readonly leased = new WeakSet<object>()

  /** @param rerouted asked for a mail that reached nobody: true = it is back in the queue, and not ours any more */
  constructor(
    private readonly tools: Tools & { readonly fresh: FreshFiles },
    private readonly attempts: Attempts,
    private readonly rerouted: (hmail: HarakaItem, tries: readonly Evidence[]) => boolean,
    /** Address to give in MAIL; undefined = the envelope sender. */
    private readonly returnPathOf: (hmail: HarakaItem) => string | undefined,
    /** Asked for a recipient who was refused for good: true = another way may be tried at once. */
    private readonly mayMove: (hmail: HarakaItem, recipient: RefusedRecipient) => boolean,
    /** Told of a host that has failed, as soon as the attempt goes on to another one. */
    private readonly onTry: (hmail: HarakaItem, evidence: Evidence) => void,
    /** Whether a refusal means that this connection carries no further message. */
    private readonly endsConnection: (hmail: HarakaItem, evidence: Evidence) => boolean,
  ) {}

  /** Whether the lease of the attempt is given back here, with its connection. */
  answersFor(attempt: object): boolean {
    return this.leased.has(attempt)
  }

  /** Never rejects. */
  async deliver(hmail: HarakaItem, plan: Plan): Promise<void> {
    const attempt = this.attempts.of(hmail)
    if (attempt && plan.lease) this.leased.add(attempt)
    const slot = new Slot(hmail)
    let result: Delivered | undefined
    let reuse = true
    try {
      result = await this.run(hmail, plan)
      reuse = !this.isSpent(hmail, result)
      const { reachedNobody } = result
      if (!reachedNobody || !this.rerouted(hmail, reachedNobody)) {
        this.note(hmail, result)
        report(hmail, result, (recipient) => this.mayMove(hmail, recipient))
      }
    } catch (thrown) {
      this.failed(hmail, thrown, result !== undefined)
    }
    if (result) await result.release(reuse)
    else plan.lease?.release()
    slot.handedOn()
  }

  private async run(hmail: HarakaItem, plan: Plan): Promise<Delivered> {
    const content = this.tools.fresh.takeContent(hmail.path)
    const body = content ? wholeBody(content) : await openBody(hmail.path, hmail.data_start, hmail.file_size)
    const { mail_from: from, rcpt_to: to } = hmail.todo
    if ('kind' in body) return unreadable(body.text, to.length, plan)
    const returnPath = this.returnPathOf(hmail)
    const sender = returnPath === undefined ? mailboxOf(from) : asciiMailbox(returnPath)
    return new Delivery(this.tools, plan, sender, to.map(mailboxOf), body, (evidence) =>
      this.onTry(hmail, evidence),
    ).run()
  }

  /** The receiver has said that the connection has carried enough messages. */
  private isSpent(hmail: HarakaItem, { endings }: Delivered): boolean {
    return endings.some(({ evidence }) => evidence.code >= 400 && this.endsConnection(hmail, evidence))
  }

  private note(hmail: HarakaItem, { endings, tries }: Delivered): void {
    for (const evidence of tries) this.attempts.tried(hmail, evidence)
    hmail.todo.rcpt_to.forEach((recipient, index) => {
      const ending = endings[index]
      if (ending) this.attempts.saw(hmail, recipient.address, ending.evidence)
    })
  }

  /** A fault of our own. Once Haraka has been told how the attempt ended, the mail is in its hands. */
  private failed(hmail: HarakaItem, thrown: unknown, told: boolean): void {
    hmail.logerror(`sluice-host: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`)
    if (!told) hmail.temp_fail(`internal error: ${messageOf(thrown)}`)
  }
}

const unreadable = (text: string, recipients: number, plan: Plan): Delivered => {
  const evidence = { ...noEvidence, lines: [text] }
  const ending = { fate: { phase: 'queue', answer: fault('local', text) }, evidence, target: undefined } as const
  return {
    endings: Array.from({ length: recipients }, () => ending),
    tries: [],
    reachedNobody: undefined,
    secured: false,
    authenticated: false,
    release: () => Promise.resolve(plan.lease?.release()),
  }
}

const mailboxOf = (address: HarakaRecipient): Mailbox => ({
  ascii: address.format(true),
  unicode: address.format(false),
})

const asciiMailbox = (address: string): Mailbox => ({ ascii: `<${address}>`, unicode: `<${address}>` })

/** Haraka's delivery slot: free once Haraka has let go of the mail and its connection is closed or handed on. */
class Slot {
  private waiting = 2
  private readonly free: () => void

  constructor(hmail: HarakaItem) {
    this.free = hmail.next_cb
    // next_cb frees a slot each time it is called, and Haraka may call it more than once for one mail.
    let let_go = false
    hmail.next_cb = () => {
      if (let_go) return
      let_go = true
      this.one()
    }
  }

  handedOn(): void {
    this.one()
  }

  private one(): void {
    this.waiting--
    if (this.waiting === 0) this.free()
  }
}
