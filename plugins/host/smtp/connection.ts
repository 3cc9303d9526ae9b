// One TCP connection that speaks in lines: write commands, wait for answers in their order. A wait always ends: by a
// reply, by the peer's fault, or by its time-out, which closes the connection. After the first fault every wait gets
// that fault. `closed` resolves when the socket is gone, whoever closed it, and the peer has had time to notice.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'

import { messageOf } from '@sluice/core/errors'

import { patiently } from '../file-limit'
import { fault, ReplyParser, type Answer, type Fault } from './reply'

export interface Address {
  /** Literal IP address. */
  readonly address: string
  readonly port: number
  /** Local address. */
  readonly bind?: string
}

interface Waiter {
  readonly resolve: (answer: Answer) => void
  readonly timer: NodeJS.Timeout
}

/** How long a peer may take to close after its reply to QUIT. */
const closeGraceMs = 1000

/**
 * Our FIN and the SYN of the connection that takes this one's place may reach the peer's program in one batch, and it
 * would count both. A moment between them keeps a limit of 20 from showing 21; kept connections never pay it.
 */
const peerNoticeMs = 10

export class Connection {
  readonly localAddress: string
  readonly closed: Promise<void>
  /** What is written to and read from: the TCP socket, or the TLS socket on it. */
  private socket: Socket
  private parser = new ReplyParser()
  private decoder = new StringDecoder('utf8')
  private readonly waiting: Waiter[] = []
  private readonly arrived: Answer[] = []
  private failure: Fault | undefined
  private unexpected: (() => void) | undefined

  private constructor(private readonly tcp: Socket) {
    const socket = tcp
    this.socket = tcp
    this.localAddress = socket.localAddress ?? ''
    this.closed = new Promise((resolve) => {
      socket.once('close', () => setTimeout(resolve, peerNoticeMs))
    })
    this.listen(socket)
  }

  /** Connects; Nagle's algorithm is off, else every reused connection would wait for delayed acknowledgements. */
  static async open(to: Address, timeoutMs: number): Promise<Connection | Fault> {
    try {
      return new Connection(await patiently(() => connected(to, timeoutMs)))
    } catch (thrown) {
      return fault('unreachable', messageOf(thrown))
    }
  }

  /** False once the connection is closed, broken or out of step. */
  get usable(): boolean {
    return this.failure === undefined
  }

  write(data: string | Buffer): void {
    if (this.usable) this.socket.write(data)
  }

  /** In one system call, without copying. */
  writeTogether(first: Buffer, second: Buffer): void {
    if (!this.usable) return
    this.socket.cork()
    this.socket.write(first)
    this.socket.write(second)
    this.socket.uncork()
  }

  /** An answer that nobody has asked for yet, if one has come. */
  get early(): Answer | undefined {
    return this.arrived[0] ?? this.failure
  }

  /** Writes and waits until the peer has taken enough of it; undefined = go on. */
  async writeSlowly(data: Buffer, timeoutMs: number): Promise<Answer | undefined> {
    // A peer that answers in the middle of the data has made up its mind.
    if (this.early || this.socket.write(data)) return this.early
    const stop = new AbortController()
    const timer = setTimeout(() => this.fail(fault('timeout', `took no data for ${timeoutMs} ms`)), timeoutMs)
    const { socket } = this
    await Promise.race([
      once(socket, 'drain', { signal: stop.signal }).catch(() => undefined),
      once(socket, 'close', { signal: stop.signal }).catch(() => undefined),
    ])
    clearTimeout(timer)
    stop.abort()
    return this.failure
  }

  /** The next answer in order. */
  answer(timeoutMs: number): Promise<Answer> {
    const ready = this.arrived.shift() ?? this.failure
    if (ready) return Promise.resolve(ready)
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.fail(fault('timeout', `no reply in ${timeoutMs} ms`)), timeoutMs)
      this.waiting.push({ resolve, timer })
    })
  }

  /**
   * Nothing is expected from the peer until `awake`: if it says or does anything, the connection is closed and `told`.
   * @returns false if that has happened already
   */
  rest(told: () => void): boolean {
    if (this.arrived.length > 0) this.destroy()
    if (!this.usable) return false
    this.unexpected = told
    return true
  }

  awake(): void {
    this.unexpected = undefined
  }

  /**
   * Puts TLS on the connection (RFC 3207).
   * @returns version and cipher, or the fault that ended the connection
   */
  async upgrade(options: ConnectionOptions, timeoutMs: number): Promise<string | Fault> {
    if (this.failure) return this.failure
    // Plain text behind the reply to STARTTLS would be taken for the secured peer's (CVE-2011-0411).
    if (this.parser.partial || this.arrived.length > 0) return this.fail(fault('protocol', 'plain text after STARTTLS'))
    for (const event of ['data', 'end', 'error']) this.tcp.removeAllListeners(event)
    this.tcp.on('error', () => undefined)
    const secure = connectTls({ ...options, socket: this.tcp })
    this.socket = secure
    const handshake = new Promise<string | Fault>((resolve) => {
      secure.once('secureConnect', () => resolve(describe(secure)))
      secure.once('error', (error: Error) => resolve(fault('tls', error.message)))
      secure.once('close', () => resolve(fault('tls', 'closed during the TLS handshake')))
    })
    const timer = setTimeout(() => secure.destroy(new Error(`no TLS handshake in ${timeoutMs} ms`)), timeoutMs)
    const result = await handshake
    clearTimeout(timer)
    if (typeof result !== 'string') {
      secure.on('error', () => undefined)
      return this.fail(result)
    }
    secure.removeAllListeners('error').removeAllListeners('close')
    this.parser = new ReplyParser()
    this.decoder = new StringDecoder('utf8')
    this.listen(secure)
    return result
  }

  /** The TLS session, to resume it on another connection. */
  onTlsSession(keep: (session: Buffer) => void): void {
    this.socket.on('session', keep)
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.fail(fault('closed', 'closed by us'))
  }

  /**
   * Ends the connection politely: writes `last`, waits for the reply and then for the peer to close, so that the peer
   * has let go of the connection when `closed` resolves. A peer that does not close loses its patience time, no more.
   */
  async finish(last: string, patienceMs: number): Promise<void> {
    this.awake()
    this.write(last)
    await this.answer(patienceMs)
    const timer = setTimeout(() => this.destroy(), closeGraceMs)
    await this.closed
    clearTimeout(timer)
  }

  private listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.take(this.decoder.write(chunk)))
    socket.on('end', () => this.fail(fault('closed', 'connection closed by the peer')))
    socket.on('error', (error) => this.fail(fault('closed', error.message)))
    socket.on('close', () => this.fail(fault('closed', 'connection closed')))
  }

  private take(text: string): void {
    for (const answer of this.parser.feed(text)) {
      const waiter = this.waiting.shift()
      if (waiter) {
        clearTimeout(waiter.timer)
        waiter.resolve(answer)
      } else this.arrived.push(answer)
      if (answer.kind === 'fault') this.fail(answer)
    }
    if (this.arrived.length > 0) this.disturb()
  }

  private fail(why: Fault): Fault {
    if (this.failure) return this.failure
    this.failure = why
    this.socket.destroy()
    this.tcp.destroy()
    for (const { resolve, timer } of this.waiting.splice(0)) {
      clearTimeout(timer)
      resolve(why)
    }
    this.disturb()
    return why
  }

  private disturb(): void {
    const told = this.unexpected
    if (!told) return
    this.unexpected = undefined
    this.destroy()
    told()
  }
}

const describe = (socket: TLSSocket): string => `${socket.getProtocol() ?? ''} ${socket.getCipher().name}`

/** Rejects with the socket closed. */
const connected = (to: Address, timeoutMs: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host: to.address,
      port: to.port,
      noDelay: true,
      autoSelectFamily: false,
      ...(to.bind ? { localAddress: to.bind } : {}),
    })
    let why = new Error(`connect to ${to.address}:${to.port}: no answer in ${timeoutMs} ms`)
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    socket.once('error', (error) => {
      why = error
    })
    socket.once('close', () => {
      clearTimeout(timer)
      reject(why)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners()
      // Nobody listens until the promise has been awaited.
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
