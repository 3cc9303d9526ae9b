// A scripted SMTP client: says a line, waits for the whole reply, and knows how the connection ended. Nothing is retried
// or interpreted, so that a test sees what a receiver really said.

import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

type Waiter = (reply: string) => void

export class Talk {
  private rest = ''
  private lines: string[] = []
  private replies: string[] = []
  private waiters: Waiter[] = []
  private isOver = false
  /** `end` when the server closed, `reset` when it reset; resolved when the socket is closed. */
  readonly ended: Promise<'end' | 'reset'>

  private constructor(private socket: Socket) {
    this.ended = new Promise((done) => {
      let how: 'end' | 'reset' = 'end'
      socket.on('error', () => (how = 'reset'))
      socket.on('close', () => {
        this.over()
        done(how)
      })
    })
    this.listen()
  }

  static to(host: string, port: number, localAddress = '127.0.0.1'): Talk {
    return new Talk(connect({ host, port, localAddress, noDelay: true }))
  }

  /** Connected, greeted, EHLO said. */
  static async hello(host: string, port: number, localAddress?: string): Promise<Talk> {
    const talk = Talk.to(host, port, localAddress)
    await talk.reply()
    await talk.say('EHLO client.example')
    return talk
  }

  /** The next whole reply, lines joined by newline; `over` when the connection ended before it. */
  reply(): Promise<string> {
    const ready = this.replies.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    if (this.isOver) return Promise.resolve('over')
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  async say(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  write(text: string): void {
    if (!this.isOver) this.socket.write(text, 'latin1')
  }

  /** Several commands in one packet; their replies in order. */
  async burst(...commands: string[]): Promise<string[]> {
    this.write(commands.map((command) => `${command}\r\n`).join(''))
    const replies: string[] = []
    for (const _ of commands) replies.push(await this.reply())
    return replies
  }

  /** One message to the end; the last reply heard. */
  async send(
    recipients: readonly string[],
    text = 'Subject: x\r\n\r\nhello\r\n',
    from = 'a@sender.example',
  ): Promise<string> {
    const mail = await this.say(`MAIL FROM:<${from}>`)
    if (!mail.startsWith('250')) return mail
    let last = ''
    for (const recipient of recipients) last = await this.say(`RCPT TO:<${recipient}>`)
    const data = await this.say('DATA')
    if (!data.startsWith('354')) return last.startsWith('2') ? data : last
    return this.say(`${text}.`)
  }

  async startTls(): Promise<void> {
    await this.say('STARTTLS')
    this.socket.removeAllListeners('data')
    const secure = connectTls({ socket: this.socket, rejectUnauthorized: false })
    await new Promise<void>((done, fail) => {
      secure.once('secureConnect', done)
      secure.once('error', fail)
    })
    secure.on('error', () => this.over())
    this.socket = secure
    this.listen()
  }

  /** FIN and the server's. */
  async quit(): Promise<void> {
    this.write('QUIT\r\n')
    this.socket.end()
    await this.ended
  }

  /** Breaks off without a word. */
  async drop(): Promise<void> {
    this.socket.destroy()
    await this.ended
  }

  private listen(): void {
    this.socket.on('data', (chunk: Buffer) => this.read(chunk.toString('latin1')))
  }

  private read(chunk: string): void {
    const parts = (this.rest + chunk).split('\r\n')
    this.rest = parts.pop() ?? ''
    for (const part of parts) {
      this.lines.push(part)
      if (part[3] === '-') continue
      const reply = this.lines.join('\n')
      this.lines = []
      const waiter = this.waiters.shift()
      if (waiter) waiter(reply)
      else this.replies.push(reply)
    }
  }

  private over(): void {
    this.isOver = true
    for (const waiter of this.waiters.splice(0)) waiter('over')
  }
}
