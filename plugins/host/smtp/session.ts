// An SMTP session: a connection on which the server has greeted us, knows our name, and has the security and the
// credentials the target demands. It remembers what it has seen on the way, for the evidence, and what a kept-alive
// connection needs to know: what the server offers, how many messages it has carried, whether it must be reset.

import { authenticate, type Credentials } from './auth'
import { Connection, type Address } from './connection'
import { noExtensions, readExtensions, type Extensions } from './extensions'
import { fault, isPositive, type Answer } from './reply'
import type { TlsSettings } from './tls'

import type { Phase } from '@sluice/core/outcome/record'

import type { Timeouts } from '../contract'

/** One address to connect to, and all that makes a connection to it differ from any other. */
export interface Target extends Address {
  /** Name of the host, for SNI and the evidence. */
  readonly host: string
  readonly ehlo: string
  readonly tls: 'none' | 'opportunistic' | 'required'
  /** The certificate must be valid for `host`. */
  readonly verify: boolean
  readonly credentials?: Credentials
  /** Credentials may go over an unencrypted connection. */
  readonly credentialsInClear: boolean
  /** Egress source; connections of different sources are never mixed. */
  readonly source: string
  readonly timeouts: Timeouts
}

/** What was seen while the session came about; ms, 0 = not reached. */
export interface Opening {
  readonly connect_ms: number
  readonly tls_ms: number
  readonly first_reply_ms: number
  /** Version and cipher; empty = plain text. */
  readonly tls: string
  readonly local_ip: string
}

/** The session did not come about. The connection is closed, or is closing, when this is returned. */
export interface Refusal {
  readonly kind: 'refusal'
  readonly phase: Phase
  readonly answer: Answer
  readonly opening: Opening
  readonly closed: Promise<void>
}

const quit = 'QUIT\r\n'
const quitPatienceMs = 5000

export class Session {
  readonly kind = 'session'
  /** Messages carried so far. */
  uses = 0
  /** A transaction was left open: RSET before the next MAIL. */
  needsReset = false

  constructor(
    readonly target: Target,
    readonly connection: Connection,
    readonly extensions: Extensions,
    readonly opening: Opening,
  ) {}

  get usable(): boolean {
    return this.connection.usable
  }

  /** Says QUIT and waits until the connection is closed. */
  async quit(): Promise<void> {
    await this.connection.finish(quit, quitPatienceMs)
  }
}

/** Connects and does everything up to the point where MAIL can be sent. */
export const openSession = async (target: Target, tls: TlsSettings): Promise<Session | Refusal> => {
  const begun = Date.now()
  const connection = await Connection.open(target, target.timeouts.connect)
  if (!(connection instanceof Connection)) {
    const opening = { connect_ms: 0, tls_ms: 0, first_reply_ms: 0, tls: '', local_ip: target.bind ?? '' }
    return { kind: 'refusal', phase: 'connect', answer: connection, opening, closed: Promise.resolve() }
  }
  return new Opener(target, tls, connection, begun).open()
}

/** Keys the TLS sessions that may be resumed. */
const sessionKey = ({ host, address, port, verify }: Target): string => `${host}|${address}|${port}|${verify}`

class Opener {
  private readonly seen: { -readonly [K in keyof Opening]: Opening[K] }

  constructor(
    private readonly target: Target,
    private readonly settings: TlsSettings,
    private readonly connection: Connection,
    begun: number,
  ) {
    const connect_ms = Date.now() - begun
    this.seen = { connect_ms, tls_ms: 0, first_reply_ms: 0, tls: '', local_ip: connection.localAddress }
  }

  async open(): Promise<Session | Refusal> {
    const { target, connection } = this
    const begun = Date.now()
    const banner = await connection.answer(target.timeouts.banner)
    this.seen.first_reply_ms = Date.now() - begun
    if (!isPositive(banner)) return this.refuse('banner', banner)

    let hello = await this.hello()
    if (hello.kind === 'refusal') return hello
    if (target.tls !== 'none') {
      const refusal = await this.secure(hello.extensions)
      if (refusal) return refusal
      // What was offered in clear may have been forged: ask again (RFC 3207 4.2).
      if (this.seen.tls) hello = await this.hello()
      if (hello.kind === 'refusal') return hello
    }
    return (await this.authenticate(hello.extensions)) ?? new Session(target, connection, hello.extensions, this.seen)
  }

  private say(line: string): Promise<Answer> {
    this.connection.write(`${line}\r\n`)
    return this.connection.answer(this.target.timeouts.mail)
  }

  private async hello(): Promise<{ kind: 'hello'; extensions: Extensions } | Refusal> {
    const ehlo = await this.say(`EHLO ${this.target.ehlo}`)
    if (ehlo.kind === 'fault') return this.refuse('ehlo', ehlo)
    if (isPositive(ehlo)) return { kind: 'hello', extensions: readExtensions(ehlo) }
    // A server of RFC 821 knows no EHLO.
    if (ehlo.code < 500) return this.refuse('ehlo', ehlo)
    const helo = await this.say(`HELO ${this.target.ehlo}`)
    return isPositive(helo) ? { kind: 'hello', extensions: noExtensions } : this.refuse('ehlo', helo)
  }

  /** STARTTLS where it is demanded or offered; undefined = go on (in clear where TLS is only wished for). */
  private async secure({ starttls }: Extensions): Promise<Refusal | undefined> {
    const { target, connection } = this
    const required = target.tls === 'required'
    if (!starttls)
      return required ? this.refuse('starttls', fault('tls', 'TLS is required and not offered')) : undefined
    const ready = await this.say('STARTTLS')
    if (!isPositive(ready)) return ready.kind === 'fault' || required ? this.refuse('starttls', ready) : undefined
    const begun = Date.now()
    const key = sessionKey(target)
    const result = await connection.upgrade(this.settings.for(target.host, key, target.verify), target.timeouts.mail)
    this.seen.tls_ms = Date.now() - begun
    if (typeof result !== 'string') {
      this.settings.forget(key)
      return this.refuse('tls', result)
    }
    this.seen.tls = result
    this.settings.keepSessions(connection, key)
    return undefined
  }

  private async authenticate(extensions: Extensions): Promise<Refusal | undefined> {
    const { credentials, credentialsInClear, timeouts } = this.target
    if (!credentials) return undefined
    const mayShow = this.seen.tls !== '' || credentialsInClear
    const answer = await authenticate(this.connection, credentials, extensions.auth, mayShow, timeouts.mail)
    return isPositive(answer) ? undefined : this.refuse('auth', answer)
  }

  private refuse(phase: Phase, answer: Answer): Refusal {
    const { connection } = this
    if (answer.kind === 'reply' && answer.code !== 421) void connection.finish(quit, quitPatienceMs)
    else connection.destroy()
    return { kind: 'refusal', phase, answer, opening: this.seen, closed: connection.closed }
  }
}
