// The life of one client connection: counted, greeted, judged at every stage, ended. What it says in between is the
// dialogue's. Our own small engine and not smtp-server, which cannot say when a reply was written, refuse DATA, answer
// 251 or in several lines, reset or fall silent, and waits 100 ms before each banner.

import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'

import type { Decision, Situation, Stage } from '../behaviour/behaviour'
import type { MxHostSpec } from '../internet/schema'
import type { CloseReason } from '../truth/event'
import type { Truth } from '../truth/truth'
import { netblockOf } from './command'
import { Dialogue, type Floor, type Mutable } from './dialogue'
import type { Input } from './input'
import type { Provider } from './provider'
import { answerOf, endingOf, transactionId, type Ending, type Speaker } from './transaction'
import { Wire, type WireListener } from './wire'

/** Where a connection arrives. */
export interface Post {
  readonly provider: Provider
  readonly mx: MxHostSpec
  readonly truth: Truth
  readonly clock: () => number
  readonly secureContext: SecureContext
}

export class Session implements WireListener, Floor {
  readonly wire: Wire
  readonly situation: Mutable<Situation>
  speaker: Speaker
  private readonly dialogue: Dialogue
  private admitted = false
  private reason: CloseReason | undefined
  private timer: NodeJS.Timeout | undefined

  /** `number` is unique in the lab. */
  constructor(
    socket: Socket,
    readonly post: Post,
    number: number,
  ) {
    const ip = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    const { provider, mx, truth, clock } = post
    this.speaker = { provider: provider.id, mx: mx.host, client_ip: ip, connection: number, ehlo: '', tls: '' }
    this.situation = {
      ...nobody,
      ip,
      netblock: netblockOf(ip),
      host: mx.host,
      id: transactionId(number, 0),
      now: clock(),
    }
    this.dialogue = new Dialogue(this)
    this.wire = new Wire(socket, this, provider.service.idle_s * 1000)
    truth.attendance.opened(provider.id, ip, this.situation.now)
    truth.record({ kind: 'connection', ...this.place(), what: 'opened', reason: '', messages: 0 })
    this.greet()
  }

  item(input: Input): void {
    this.dialogue.hear(input)
  }

  idle(): void {
    this.wire.say(`421 4.4.2 ${this.situation.host} Error: timeout exceeded\r\n`)
    this.end('timeout')
  }

  gone(reason: 'client' | 'fault'): void {
    clearTimeout(this.timer)
    const { provider, truth } = this.post
    this.dialogue.abandon()
    if (this.admitted) provider.leave(this.situation.ip)
    truth.attendance.closed(provider.id, this.situation.ip)
    const messages = this.situation.nth
    truth.record({ kind: 'connection', ...this.place(), what: 'closed', reason: this.reason ?? reason, messages })
  }

  /** Resolved when the connection is closed and everything about it is in the truth. */
  get closed(): Promise<void> {
    return this.wire.closed
  }

  /** Ends the connection at once; what was not answered stays unanswered. */
  stop(): void {
    this.reason ??= 'stopped'
    this.wire.destroy()
  }

  /** After the last word. */
  end(reason: CloseReason): void {
    this.reason ??= reason
    this.wire.close()
  }

  /**
   * Asks the provider, waits as long as it takes to think, and goes on: `pass`, or `refused` and then the refusal itself.
   * The decision is taken on arrival, so that rates are counted as the mail came, not as it was answered.
   */
  judge(stage: Stage, pass: () => void, refused: (ending: Ending) => void): void {
    const { situation, post } = this
    situation.now = post.clock()
    situation.open = post.provider.open(situation.ip) + (this.admitted ? 0 : 1)
    const decision = post.provider.decide(stage, situation)
    this.after(post.provider.delay(stage), () => {
      if (!decision) pass()
      else {
        refused(endingOf(stage, decision))
        this.carryOut(stage, decision)
      }
    })
  }

  private carryOut(stage: Stage, decision: Decision): void {
    switch (decision.end) {
      case 'reply':
        this.wire.say(decision.reply.wire)
        if (decision.reply.code === 421 || stage === 'banner') this.end('refused')
        return
      case 'close':
        this.end('close')
        return
      case 'reset':
        this.reason ??= 'reset'
        this.wire.reset()
        return
      case 'silence':
        this.reason ??= 'silence'
        this.wire.fallSilent()
    }
  }

  private after(ms: number, go: () => void): void {
    if (ms <= 0) {
      go()
      return
    }
    this.wire.hold()
    this.timer = setTimeout(() => {
      go()
      this.wire.release()
    }, ms)
  }

  private greet(): void {
    const { provider, truth } = this.post
    this.judge(
      'banner',
      () => {
        this.admitted = true
        provider.enter(this.situation.ip)
        this.wire.say(provider.service.greet(this.situation).wire)
        this.wire.release()
      },
      (ending) => {
        truth.attendance.refused(provider.id, this.situation.ip)
        truth.record({ kind: 'refusal', ...this.speaker, ...answerOf(ending) })
      },
    )
  }

  private place(): Pick<Speaker, 'provider' | 'mx' | 'client_ip' | 'connection'> {
    const { provider, mx, client_ip, connection } = this.speaker
    return { provider, mx, client_ip, connection }
  }
}

/** A situation before anything was said. */
const nobody: Situation = {
  ip: '',
  netblock: '',
  host: '',
  ehlo: '',
  sender: '',
  recipient: '',
  id: '',
  now: 0,
  open: 0,
  tls: false,
  nth: 0,
  accepted: 0,
  message: undefined,
}
