// One mail transaction on a session: MAIL, RCPT…, DATA, the content and the dot. With PIPELINING (RFC 2920) the
// commands up to DATA go out in one write. Every recipient gets exactly one fate. A fault with the phase `dot` means:
// the receiver may have the message; with any other phase it has not.

import { fault, isPositive, type Answer } from './reply'
import { refusedHere, tooManyIsTemporary, unexpected, type Fate } from './fate'
import type { Body } from './body'
import type { Session } from './session'

/** An address in angle brackets, in both spellings; `<>` for the null sender. */
export interface Mailbox {
  /** The host in ASCII. */
  readonly ascii: string
  /** As submitted. */
  readonly unicode: string
}

export interface Envelope {
  readonly from: Mailbox
  readonly to: readonly Mailbox[]
}

export interface TransactionResult {
  /** One per recipient, in the order of the envelope. */
  readonly fates: readonly Fate[]
  /** The connection was kept from an earlier message and is gone: nothing has happened, try a fresh one. */
  readonly stale: boolean
  /** ms until the first answer; 0 = none came */
  readonly first_reply_ms: number
}

/** RCPT commands in one pipelined write: bounds what lies unread at the receiver. */
const groupLimit = 100
const endOfData = Buffer.from('.\r\n')

export const transact = (session: Session, envelope: Envelope, body: Body): Promise<TransactionResult> =>
  new Transaction(session, envelope, body).run()

class Transaction {
  private readonly fates: (Fate | undefined)[]
  private readonly begun = Date.now()
  private firstReply: number | undefined
  private stale = false

  constructor(
    private readonly session: Session,
    private readonly envelope: Envelope,
    private readonly body: Body,
  ) {
    this.fates = envelope.to.map(() => undefined)
  }

  async run(): Promise<TransactionResult> {
    this.decideUnfit()
    const indices = this.open()
    if (indices.length > 0) await this.talk(indices)
    const undecided: Fate = { phase: 'data', answer: fault('local', 'no answer decided') }
    return {
      fates: this.fates.map((fate) => fate ?? undecided),
      stale: this.stale,
      first_reply_ms: (this.firstReply ?? this.begun) - this.begun,
    }
  }

  /** Refuses here what the receiver has said in advance that it will not take. */
  private decideUnfit(): void {
    const { extensions, target } = this.session
    const { from, to } = this.envelope
    if (extensions.size && this.body.size > extensions.size) {
      const text = `552 5.3.4 message of ${this.body.size} bytes, ${target.host} takes ${extensions.size}`
      this.decideOpen(refusedHere('mail', text))
    }
    if (extensions.smtpUtf8) return
    const needed = `needs SMTPUTF8, which ${target.host} does not offer`
    if (!isAscii(from.ascii)) this.decideOpen(refusedHere('mail', `550 5.6.7 the sender's address ${needed}`))
    to.forEach(({ ascii }, index) => {
      if (!isAscii(ascii)) this.fates[index] ??= refusedHere('rcpt', `550 5.6.7 the address ${needed}`)
    })
  }

  private async talk(indices: readonly number[]): Promise<void> {
    const { session } = this
    const { pipelining } = session.extensions
    const grouped = pipelining && indices.length <= groupLimit
    const reset = session.needsReset
    const start = [...(reset ? ['RSET'] : []), `MAIL FROM:${this.sender()}`]
    this.write(grouped ? [...start, ...indices.map((index) => this.rcpt(index)), 'DATA'] : start)
    session.needsReset = true

    const begun = await this.mailAnswered(reset)
    if (!begun && !(grouped && session.usable)) return
    const step = grouped ? indices.length : pipelining ? groupLimit : 1
    for (let at = 0; at < indices.length; at += step) {
      const group = indices.slice(at, at + step)
      if (!grouped) this.write(group.map((index) => this.rcpt(index)))
      for (const index of group) if (!(await this.rcptAnswered(index))) return
    }
    // Without pipelining there is nothing to say when nobody is left; with it DATA is on its way already.
    const accepted = this.open().length > 0
    if (!accepted && !grouped) return
    if (!grouped) this.write(['DATA'])
    if (!(await this.dataAnswered())) return
    if (accepted) await this.send()
    // DATA was let through although nobody is left. A dot, as RFC 2920 3.1 suggests, would hand an empty message to a
    // receiver that counts its recipients otherwise; without a dot nobody gets anything.
    else session.connection.destroy()
  }

  /** @returns whether the transaction is open */
  private async mailAnswered(reset: boolean): Promise<boolean> {
    const { mail } = this.session.target.timeouts
    const cleared = reset ? await this.answer(mail) : undefined
    // Who cannot be reset cannot be used again; that is not this message's fault.
    if (cleared && !isPositive(cleared)) return this.goneStale(cleared)
    const answer = await this.answer(mail)
    if (answer.kind === 'fault' || answer.code === 421) return this.goneStale(answer)
    if (isPositive(answer)) return true
    this.decideOpen({ phase: 'mail', answer })
    return false
  }

  /** @returns whether the dialogue goes on */
  private async rcptAnswered(index: number): Promise<boolean> {
    const answer = await this.answer(this.session.target.timeouts.rcpt)
    if (answer.kind === 'fault' || answer.code === 421) return this.end({ phase: 'rcpt', answer })
    if (!isPositive(answer)) this.fates[index] ??= { phase: 'rcpt', answer: tooManyIsTemporary(answer) }
    return true
  }

  /** @returns whether the receiver waits for the content */
  private async dataAnswered(): Promise<boolean> {
    const answer = await this.answer(this.session.target.timeouts.data, 354)
    if (answer.kind === 'reply' && answer.code === 354) return true
    if (answer.kind === 'reply' && answer.code >= 400 && answer.code !== 421) {
      this.decideOpen({ phase: 'data', answer })
      return false
    }
    return this.end({ phase: 'data', answer: isPositive(answer) ? unexpected(answer) : answer })
  }

  private async send(): Promise<void> {
    const { connection, target } = this.session
    try {
      let held: Buffer = Buffer.alloc(0)
      for await (const chunk of this.body.chunks()) {
        const early = held.length > 0 ? await connection.writeSlowly(held, target.timeouts.block) : undefined
        if (early) {
          this.interrupted(early)
          return
        }
        held = chunk
      }
      // Taken for the reply to the dot, it would make the message delivered before it was sent.
      if (connection.early) {
        this.interrupted(connection.early)
        return
      }
      // The last piece and the dot in one write: one packet train, and nothing to tell apart when it fails.
      connection.writeTogether(held, endOfData)
    } catch (thrown) {
      // Without its dot the receiver has no message.
      this.end({ phase: 'data', answer: fault('local', `queue file cannot be read: ${String(thrown)}`) })
      return
    }
    const answer = await this.answer(target.timeouts.dot)
    this.decideOpen({ phase: 'dot', answer })
    if (isPositive(answer)) this.session.needsReset = false
    if (answer.kind === 'reply' && answer.code === 421) connection.destroy()
  }

  /** The receiver answered, or went, in the middle of the content: it has no message, whatever it says. */
  private interrupted(early: Answer): void {
    this.end({ phase: 'data', answer: isPositive(early) ? unexpected(early) : early })
  }

  /** @param also a code between 300 and 399 that makes sense here; any other puts us out of step with the peer */
  private async answer(timeoutMs: number, also?: number): Promise<Answer> {
    const answer = await this.session.connection.answer(timeoutMs)
    this.firstReply ??= Date.now()
    if (answer.kind === 'fault' || isPositive(answer) || answer.code >= 400 || answer.code === also) return answer
    this.session.connection.destroy()
    return unexpected(answer)
  }

  private write(lines: readonly string[]): void {
    this.session.connection.write(`${lines.join('\r\n')}\r\n`)
  }

  /** The peer closed, or is about to, before it looked at the message. */
  private goneStale(answer: Answer): false {
    this.stale = this.session.uses > 0
    return this.end({ phase: 'mail', answer })
  }

  private end(fate: Fate): false {
    this.session.connection.destroy()
    this.decideOpen(fate)
    return false
  }

  private open(): number[] {
    return this.fates.flatMap((fate, index) => (fate ? [] : [index]))
  }

  private decideOpen(fate: Fate): void {
    for (const index of this.open()) this.fates[index] = fate
  }

  private spell(mailbox: Mailbox | undefined): string {
    return (this.session.extensions.smtpUtf8 ? mailbox?.unicode : mailbox?.ascii) ?? '<>'
  }

  private rcpt(index: number): string {
    return `RCPT TO:${this.spell(this.envelope.to[index])}`
  }

  private sender(): string {
    const { extensions } = this.session
    const { from, to } = this.envelope
    const parameters = [
      ...(extensions.size === undefined ? [] : [`SIZE=${this.body.size}`]),
      ...(extensions.eightBitMime && this.body.sevenBit !== true ? ['BODY=8BITMIME'] : []),
      ...(extensions.smtpUtf8 && [from, ...to].some((one) => !isAscii(one.unicode)) ? ['SMTPUTF8'] : []),
    ]
    return [this.spell(from), ...parameters].join(' ')
  }
}

const isAscii = (text: string): boolean => !/[^\x20-\x7e]/.test(text)
