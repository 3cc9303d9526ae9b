// A minimal pipelining SMTP client for submission (RFC 5321, 2920, 4954 PLAIN). It always knows which of three things
// became of a message: accepted, refused, or uncertain (the connection was lost between the final dot and its answer).
// Not nodemailer: its pool silently sends a message again when a connection breaks, and costs several times the CPU.

import { connect, type Socket } from 'node:net'

import type { Submission } from './plan'

export interface ClientOptions {
  readonly host: string
  readonly port: number
  readonly ehlo: string
  readonly auth?: { readonly user: string; readonly pass: string } | undefined
  /** Local address to connect from. */
  readonly localAddress?: string | undefined
  /** ms without an answer after which the connection is given up */
  readonly timeout: number
}

export interface ServerReply {
  readonly code: number
  /** all lines, joined by a newline */
  readonly text: string
}

/** What became of one recipient. */
export type Fate = { readonly recipient: string } & (
  | { readonly fate: 'accepted' | 'refused'; readonly reply: ServerReply }
  | { readonly fate: 'uncertain'; readonly reply: undefined }
)

/** The connection ended; `sent` tells whether the final dot of the current message had been sent. */
class ConnectionLost extends Error {
  constructor(
    message: string,
    readonly sent: boolean,
  ) {
    super(message)
    this.name = 'ConnectionLost'
  }
}

/** How long the server may take to close after QUIT. */
const closeMs = 5000

interface Waiter {
  readonly resolve: (reply: ServerReply) => void
  readonly reject: (error: Error) => void
}

export class SubmissionClient {
  private readonly socket: Socket
  private rest = ''
  private lines: string[] = []
  private readonly waiters: Waiter[] = []
  private readonly early: ServerReply[] = []
  private readonly closed: Promise<void>
  private lost: Error | undefined
  /** A 421 answers everything that was said after it, too. */
  private farewell: ServerReply | undefined
  private pipelining = false
  private dotSent = false

  private constructor(private readonly options: ClientOptions) {
    const { host, port, localAddress, timeout } = options
    this.socket = connect({ host, port, noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (chunk: string) => this.read(chunk))
    this.socket.on('error', (error) => this.lose(error))
    this.closed = new Promise((done) => {
      this.socket.on('close', () => {
        this.lose(new Error('closed by the server'))
        done()
      })
    })
    this.socket.setTimeout(timeout, () => this.socket.destroy(new Error(`no answer for ${timeout} ms`)))
  }

  /** Connected, greeted and authenticated. @throws Error where that fails */
  static async open(options: ClientOptions): Promise<SubmissionClient> {
    const client = new SubmissionClient(options)
    try {
      await client.expect(2, client.reply())
      const hello = await client.expect(2, client.command(`EHLO ${options.ehlo}`))
      client.pipelining = /^250[- ]PIPELINING/im.test(hello.text)
      if (options.auth) {
        const token = Buffer.from(`\0${options.auth.user}\0${options.auth.pass}`).toString('base64')
        await client.expect(2, client.command(`AUTH PLAIN ${token}`))
      }
      return client
    } catch (error) {
      client.socket.destroy()
      throw error
    }
  }

  /** Whether another message can be sent. */
  get usable(): boolean {
    return this.lost === undefined && this.farewell === undefined
  }

  /** Submits one message. @throws ConnectionLost with `sent` false: nothing was submitted, it may be tried again */
  async submit(submission: Submission): Promise<Fate[]> {
    this.dotSent = false
    try {
      return await this.converse(submission)
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
      if (!error.sent) throw error
      return submission.recipients.map((recipient) => ({ recipient, fate: 'uncertain', reply: undefined }))
    }
  }

  /** Says goodbye and closes. */
  async close(): Promise<void> {
    if (this.lost) return
    this.socket.setTimeout(closeMs, () => this.socket.destroy())
    this.socket.end('QUIT\r\n')
    await this.closed
  }

  private async converse({ from, recipients, text }: Submission): Promise<Fate[]> {
    const commands = [`MAIL FROM:<${from}>`, ...recipients.map((address) => `RCPT TO:<${address}>`), 'DATA']
    const [mail, ...rest] = this.pipelining ? await this.burst(commands) : await this.oneByOne(commands)
    if (!mail) throw new ConnectionLost('no reply', false)
    const data = rest.pop()
    const refusals = new Map<string, ServerReply>()
    for (const [i, recipient] of recipients.entries()) {
      const reply = mail.code >= 400 ? mail : rest[i]
      if (!reply || reply.code >= 300) refusals.set(recipient, reply ?? mail)
    }
    const final = data?.code === 354 ? await this.sendText(refusals.size < recipients.length ? text : '') : data
    if (data?.code !== 354 && this.usable) await this.command('RSET')
    return recipients.map((recipient) => {
      const reply = refusals.get(recipient) ?? final ?? mail
      return { recipient, fate: reply.code < 300 ? 'accepted' : 'refused', reply }
    })
  }

  /** All at once: the answers come in the same order (RFC 2920). */
  private burst(commands: readonly string[]): Promise<ServerReply[]> {
    this.write(`${commands.join('\r\n')}\r\n`)
    return Promise.all(commands.map(() => this.reply()))
  }

  /** One after the other, DATA only where a recipient was accepted. */
  private async oneByOne(commands: readonly string[]): Promise<ServerReply[]> {
    const replies: ServerReply[] = []
    for (const command of commands) {
      const useless = command === 'DATA' && !replies.slice(1).some(({ code }) => code < 300)
      if (useless || (replies[0]?.code ?? 0) >= 400) break
      replies.push(await this.command(command))
    }
    while (replies.length < commands.length) replies.push(replies.at(-1) ?? { code: 0, text: '' })
    return replies
  }

  private sendText(text: string): Promise<ServerReply> {
    this.dotSent = text !== ''
    this.write(`${text}.\r\n`)
    return this.reply()
  }

  private command(text: string): Promise<ServerReply> {
    this.write(`${text}\r\n`)
    return this.reply()
  }

  private write(text: string): void {
    if (!this.lost) this.socket.write(text, 'latin1')
  }

  private async expect(kind: number, promise: Promise<ServerReply>): Promise<ServerReply> {
    const reply = await promise
    if (Math.floor(reply.code / 100) !== kind) {
      throw new Error(`${this.options.host}:${this.options.port} said ${reply.text}`)
    }
    return reply
  }

  private reply(): Promise<ServerReply> {
    const ready = this.early.shift()
    if (ready) return Promise.resolve(ready)
    if (this.lost && this.farewell) return Promise.resolve(this.farewell)
    if (this.lost) return Promise.reject(new ConnectionLost(this.lost.message, this.dotSent))
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }))
  }

  private read(chunk: string): void {
    const parts = (this.rest + chunk).split('\r\n')
    this.rest = parts.pop() ?? ''
    for (const part of parts) {
      this.lines.push(part)
      if (part[3] === '-') continue
      const reply = { code: Number(part.slice(0, 3)), text: this.lines.join('\n') }
      this.lines = []
      if (reply.code === 421) this.farewell = reply
      const waiter = this.waiters.shift()
      if (waiter) waiter.resolve(reply)
      else this.early.push(reply)
    }
  }

  private lose(error: Error): void {
    this.lost ??= error
    const lost = new ConnectionLost(this.lost.message, this.dotSent)
    for (const waiter of this.waiters.splice(0)) {
      if (this.farewell) waiter.resolve(this.farewell)
      else waiter.reject(lost)
    }
  }
}
