// The recipients of the mail under way on one connection, and what each was told. Invariant: every recipient that got an
// answer at RCPT ends in exactly one fact: refused there, or told at the end of the message, or unanswered.

import type { Decision, Message, Stage } from '../behaviour/behaviour'
import { messageIdOf } from '../behaviour/message'
import type { Reply } from '../behaviour/reply'
import { verdictOf, type Verdict } from '../truth/event'
import type { Truth } from '../truth/truth'

/** The part of every fact that the connection knows. */
export interface Speaker {
  readonly provider: string
  readonly mx: string
  readonly client_ip: string
  readonly connection: number
  readonly ehlo: string
  readonly tls: string
}

/** How a stage ended: the reply that was given, or none. */
export interface Ending {
  readonly stage: Stage
  readonly reply: Reply | undefined
  readonly verdict: Verdict
  readonly by: string
}

export const endingOf = (stage: Stage, decision: Decision): Ending =>
  decision.end === 'reply'
    ? { stage, reply: decision.reply, verdict: verdictOf(decision.reply.code), by: decision.by }
    : { stage, reply: undefined, verdict: 'unanswered', by: decision.by }

export const answerOf = ({ stage, reply, verdict, by }: Ending) => ({
  stage,
  code: reply?.code ?? 0,
  enhanced: reply?.enhanced ?? '',
  reply: reply?.text ?? '',
  verdict,
  by,
})

/** What receivers print as queue id; unique in the lab. */
export const transactionId = (connection: number, nth: number): string =>
  (connection * 65_536 + nth).toString(16).toUpperCase().padStart(10, '0')

export class Transaction {
  private readonly waiting: string[] = []

  constructor(
    readonly sender: string,
    readonly nth: number,
    private readonly truth: Truth,
    private readonly speaker: Speaker,
  ) {}

  /** Recipients accepted so far. */
  get accepted(): number {
    return this.waiting.length
  }

  accept(recipient: string): void {
    this.waiting.push(recipient)
  }

  refuse(recipient: string, ending: Ending): void {
    this.record(recipient, ending)
  }

  /** One answer for all recipients accepted; afterwards there are none. */
  finish(ending: Ending, message?: Message): void {
    const id = message ? messageIdOf(message.begin) : ''
    for (const recipient of this.waiting.splice(0)) this.record(recipient, ending, id, message?.size)
  }

  private record(rcpt: string, ending: Ending, message_id = '', size = 0): void {
    this.truth.record({
      kind: 'recipient',
      ...this.speaker,
      mail_from: this.sender,
      rcpt,
      ...answerOf(ending),
      message_id,
      nth: this.nth,
      size,
    })
  }
}
