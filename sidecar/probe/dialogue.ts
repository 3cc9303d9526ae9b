// An SMTP conversation for looking at a server: one command at a time, whole replies, TLS on request. It sends no mail,
// so it needs none of what a client that delivers needs. Every wait ends after `timeoutMs`.

import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'

export interface Reply {
  readonly code: number
  readonly lines: readonly string[]
}

export interface Secured {
  /** e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384` */
  readonly channel: string
  /** Subject's common name or first alternative name; empty where there is none. */
  readonly subject: string
  /** Why the certificate would not be accepted for the name; empty = it would. */
  readonly doubt: string
}

/** Bytes of one reply (RFC 5321 4.5.3.1.5 allows 512 a line). */
const longestReply = 64 * 1024

export class Dialogue {
  private rest = ''
  private lines: string[] = []
  private ended: Error | undefined
  private wake: () => void = () => undefined

  private constructor(
    private socket: Socket,
    private readonly timeoutMs: number,
  ) {
    this.listen(socket)
  }

  /** @throws what the network says, or that it took too long */
  static connect(local: string | undefined, host: string, port: number, timeoutMs: number): Promise<Dialogue> {
    return new Promise((resolve, reject) => {
      const socket = connectTcp({ host, port, ...(local !== undefined && { localAddress: local }) })
      const fail = (why: Error): void => {
        socket.destroy()
        reject(why)
      }
      const timer = setTimeout(() => fail(new Error(`no connection within ${timeoutMs / 1000} s`)), timeoutMs)
      socket.once('error', (error) => {
        clearTimeout(timer)
        fail(error)
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        resolve(new Dialogue(socket, timeoutMs))
      })
    })
  }

  /** Local address of the connection. */
  get local(): string {
    return this.socket.localAddress ?? ''
  }

  async say(command: string): Promise<Reply> {
    this.socket.write(`${command}\r\n`)
    return this.reply()
  }

  /** The next whole reply. */
  async reply(): Promise<Reply> {
    const deadline = Date.now() + this.timeoutMs
    const taken: string[] = []
    for (;;) {
      const line = this.lines.shift()
      if (line !== undefined) {
        taken.push(line)
        const [, code, more] = /^(\d{3})([ -]?)/.exec(line) ?? []
        if (code === undefined) throw new Error(`not SMTP: ${line.slice(0, 200)}`)
        if (more !== '-') return { code: Number(code), lines: taken }
        continue
      }
      if (this.ended) throw this.ended
      await this.more(deadline - Date.now())
    }
  }

  /** Turns the connection into TLS; call after a positive reply to STARTTLS. */
  secure(name: string): Promise<Secured> {
    const plain = this.socket
    plain.removeAllListeners()
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        socket: plain,
        rejectUnauthorized: false,
        ...(isIP(name) ? {} : { servername: name }),
      })
      const timer = setTimeout(() => {
        socket.destroy()
        reject(new Error('the TLS handshake takes too long'))
      }, this.timeoutMs)
      socket.once('error', (error: Error) => {
        clearTimeout(timer)
        reject(error)
      })
      socket.once('secureConnect', () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        this.socket = socket
        this.rest = ''
        this.lines = []
        this.listen(socket)
        resolve(securedBy(socket))
      })
    })
  }

  /** Says QUIT where somebody may still listen, and ends the connection. */
  async quit(): Promise<void> {
    if (!this.ended) await this.say('QUIT').catch(() => undefined) // whatever it answers, we go
    this.socket.destroy()
  }

  private listen(socket: Socket): void {
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      const lines = (this.rest + text).split('\n')
      this.rest = lines.pop() ?? ''
      this.lines.push(...lines.map((line) => line.replace(/\r$/, '')))
      if (this.rest.length + this.lines.join('').length > longestReply) this.end(new Error('the reply has no end'))
      this.wake()
    })
    socket.on('error', (error) => this.end(error))
    socket.on('close', () => this.end(new Error('the server has closed the connection')))
  }

  private end(why: Error): void {
    this.ended ??= why
    this.wake()
  }

  private more(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no reply within ${this.timeoutMs / 1000} s`)), Math.max(0, ms))
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

const securedBy = (socket: TLSSocket): Secured => {
  const { subject, subjectaltname = '' } = socket.getPeerCertificate() as {
    subject?: { CN?: string }
    subjectaltname?: string
  }
  const [first = ''] = subjectaltname.split(', ')
  return {
    channel: `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher().standardName}`,
    subject: subject?.CN ?? first.replace(/^DNS:/, ''),
    doubt: socket.authorized ? '' : String(socket.authorizationError),
  }
}
