// The SMTP dialogue between banner and close (RFC 5321, 1870, 2920, 3207): which command may follow which, what each
// answers, and what becomes of the recipients. Every mail step asks the floor's judge first.

import type { SecureContext } from 'node:tls'

import type { Message, Situation, Stage } from '../behaviour/behaviour'
import { verdictOf, type CloseReason } from '../truth/event'
import type { Truth } from '../truth/truth'
import { parseCommand, parsePath, type Path } from './command'
import type { Input } from './input'
import type { Provider } from './provider'
import { answerOf, Transaction, transactionId, type Ending, type Speaker } from './transaction'
import type { Wire } from './wire'

export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What the dialogue needs of its connection. */
export interface Floor {
  readonly wire: Wire
  readonly situation: Mutable<Situation>
  speaker: Speaker
  readonly post: {
    readonly provider: Provider
    readonly truth: Truth
    readonly clock: () => number
    readonly secureContext: SecureContext
  }
  judge(stage: Stage, pass: () => void, refused: (ending: Ending) => void): void
  end(reason: CloseReason): void
}

/** A client that talks nonsense this often is sent away. Commands out of order do not count: pipelining makes them. */
const mostErrors = 50

export class Dialogue {
  private transaction: Transaction | undefined
  private greeted = false
  private errors = 0
  private stage: Stage = 'mail'

  private readonly commands: Readonly<Record<string, (rest: string) => void>> = {
    EHLO: (name) => this.hello(name, true),
    HELO: (name) => this.hello(name, false),
    STARTTLS: () => this.startTls(),
    MAIL: (rest) => this.mail(rest),
    RCPT: (rest) => this.rcpt(rest),
    DATA: () => this.data(),
    RSET: () => {
      this.abandon()
      this.say('250 2.0.0 Ok')
    },
    NOOP: () => this.say('250 2.0.0 Ok'),
    VRFY: () => this.say('252 2.1.5 Cannot VRFY user'),
    QUIT: () => {
      this.abandon()
      this.say('221 2.0.0 Bye')
      this.floor.end('quit')
    },
  }

  constructor(private readonly floor: Floor) {}

  hear(input: Input): void {
    if (input.kind === 'message') {
      this.dot(input.message)
      return
    }
    if (input.kind === 'too-long') {
      this.wrong('500 5.5.2 Error: line too long')
      return
    }
    const { verb, rest } = parseCommand(input.text)
    const run = Object.hasOwn(this.commands, verb) ? this.commands[verb] : undefined
    if (run) run(rest)
    else this.wrong('500 5.5.2 Error: command not recognized')
  }

  /** The mail under way ends without an answer to its recipients. */
  abandon(): void {
    this.transaction?.finish({ stage: this.stage, reply: undefined, verdict: 'unanswered', by: '' })
    this.transaction = undefined
    this.floor.situation.accepted = 0
  }

  private say(text: string): void {
    this.floor.wire.say(`${text}\r\n`)
  }

  private wrong(text: string): void {
    if (++this.errors <= mostErrors) {
      this.say(text)
      return
    }
    this.say(`421 4.7.0 ${this.floor.situation.host} Error: too many errors`)
    this.floor.end('refused')
  }

  private hello(name: string, extended: boolean): void {
    const { floor } = this
    if (name === '' || name.length > 255) {
      this.wrong('501 5.5.4 Syntax: EHLO hostname')
      return
    }
    this.abandon()
    floor.situation.ehlo = name
    floor.speaker = { ...floor.speaker, ehlo: name }
    floor.judge(
      'ehlo',
      () => {
        this.greeted = true
        const lines = extended ? [floor.situation.host, ...this.extensions()] : [floor.situation.host]
        this.say(lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}`).join('\r\n'))
      },
      (ending) => this.recordRefusal(ending),
    )
  }

  private extensions(): string[] {
    const { service } = this.floor.post.provider
    const offered: readonly (readonly [boolean, string])[] = [
      [service.pipelining, 'PIPELINING'],
      [true, `SIZE ${service.size}`],
      [service.starttls && !this.floor.situation.tls, 'STARTTLS'],
      [true, 'ENHANCEDSTATUSCODES'],
      [service.eight_bit_mime, '8BITMIME'],
      [service.smtputf8, 'SMTPUTF8'],
    ]
    return offered.filter(([yes]) => yes).map(([, keyword]) => keyword)
  }

  private startTls(): void {
    const { floor } = this
    if (floor.situation.tls || !floor.post.provider.service.starttls) {
      this.wrong('502 5.5.1 Error: STARTTLS not available')
      return
    }
    floor.judge(
      'starttls',
      () => {
        this.abandon()
        this.say('220 2.0.0 Ready to start TLS')
        this.greeted = false
        floor.wire.startTls(floor.post.secureContext, () => {
          floor.situation.tls = true
          floor.situation.ehlo = ''
          floor.speaker = { ...floor.speaker, ehlo: '', tls: floor.wire.tls }
        })
      },
      (ending) => this.recordRefusal(ending),
    )
  }

  private mail(rest: string): void {
    const { floor } = this
    const { situation, post } = floor
    const path = parsePath(rest, 'FROM')
    if (!this.greeted) this.say('503 5.5.1 Error: send EHLO first')
    else if (this.transaction) this.say('503 5.5.1 Error: nested MAIL command')
    else if (!path) this.wrong('501 5.1.7 Bad sender address syntax')
    else {
      situation.nth++
      situation.sender = path.address
      situation.recipient = ''
      situation.accepted = 0
      situation.id = transactionId(floor.speaker.connection, situation.nth)
      post.truth.attendance.message(post.provider.id, situation.ip, post.clock())
      this.judgeMail(path)
    }
  }

  private judgeMail(path: Path): void {
    const { floor } = this
    const { nth } = floor.situation
    floor.judge(
      'mail',
      () => {
        const size = Number(path.parameters.get('SIZE') ?? 0)
        if (size > floor.post.provider.service.size) {
          const ending = tooBig('mail')
          this.recordMail(path.address, ending)
          this.say(ending.reply.text)
          return
        }
        this.stage = 'rcpt'
        this.transaction = new Transaction(path.address, nth, floor.post.truth, floor.speaker)
        this.say('250 2.1.0 Ok')
      },
      (ending) => this.recordMail(path.address, ending),
    )
  }

  private rcpt(rest: string): void {
    const { transaction, floor } = this
    const path = parsePath(rest, 'TO')
    if (!transaction) this.say('503 5.5.1 Error: need MAIL command')
    else if (!path) this.wrong('501 5.1.3 Bad recipient address syntax')
    else {
      floor.situation.recipient = path.address
      floor.judge(
        'rcpt',
        () => {
          transaction.accept(path.address)
          floor.situation.accepted = transaction.accepted
          floor.wire.say(floor.post.provider.service.acceptRecipient(floor.situation).wire)
        },
        (ending) => {
          transaction.refuse(path.address, ending)
          if (endsConnection(ending)) this.conclude(ending)
        },
      )
    }
  }

  private data(): void {
    const { transaction, floor } = this
    if (!transaction) this.say('503 5.5.1 Error: need MAIL command')
    else if (transaction.accepted === 0) this.say('554 5.5.1 Error: no valid recipients')
    else {
      this.stage = 'data'
      floor.judge(
        'data',
        () => {
          this.stage = 'dot'
          this.say('354 End data with <CR><LF>.<CR><LF>')
          floor.wire.beginMessage()
        },
        (ending) => this.conclude(ending),
      )
    }
  }

  private dot(message: Message): void {
    const { floor, transaction } = this
    const { situation, post } = floor
    if (message.size > post.provider.service.size) {
      const ending = tooBig('dot')
      this.conclude(ending, message)
      this.say(ending.reply.text)
      return
    }
    situation.message = message
    floor.judge(
      'dot',
      () => {
        // only the network knows whether the client was told: the recipients wait for it in their transaction
        this.transaction = undefined
        const reply = post.provider.service.accept(situation)
        floor.wire.say(reply.wire, (ok) => {
          const verdict = ok ? verdictOf(reply.code) : 'unanswered'
          transaction?.finish({ stage: 'dot', reply, verdict, by: '' }, message)
        })
      },
      (ending) => this.conclude(ending, message),
    )
    situation.message = undefined
  }

  /** One answer for all recipients of the mail under way. */
  private conclude(ending: Ending, message?: Message): void {
    this.transaction?.finish(ending, message)
    this.transaction = undefined
    this.floor.situation.accepted = 0
  }

  private recordMail(mail_from: string, ending: Ending): void {
    const { speaker, situation, post } = this.floor
    post.truth.record({ kind: 'message', ...speaker, ...answerOf(ending), mail_from, nth: situation.nth })
  }

  private recordRefusal(ending: Ending): void {
    const { speaker, post } = this.floor
    post.truth.record({ kind: 'refusal', ...speaker, ...answerOf(ending) })
  }
}

const endsConnection = ({ reply }: Ending): boolean => reply === undefined || reply.code === 421

const tooBig = (stage: Stage) => {
  const text = '552 5.3.4 Message size exceeds fixed limit'
  return {
    stage,
    reply: { code: 552, enhanced: '5.3.4', text, wire: `${text}\r\n` },
    verdict: 'bounced',
    by: 'size',
  } as const satisfies Ending
}
