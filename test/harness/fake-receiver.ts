// An SMTP receiver that misbehaves as told: at each point of the dialogue it replies, closes, resets, stays silent or
// answers in pieces. It remembers every connection, every command and what it believes to have accepted, so that a
// test can compare that with what the sender believes.

import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { TLSSocket } from 'node:tls'

const tlsFolder = path.join(__dirname, '../../lab/tls')
const credentials = () => ({
  key: readFileSync(path.join(tlsFolder, 'lab.key')),
  cert: readFileSync(path.join(tlsFolder, 'lab.crt')),
})

/** What to do at one point: send a text (CRLF is added), or something worse. */
export type Action =
  | string
  /** Silence is for ever. `accept`: the receiver has said yes to itself, and the reply is lost. */
  | { readonly do: 'close' | 'reset' | 'silence'; readonly accept?: true }
  /** Sends the text and closes. */
  | { readonly do: 'say-and-close'; readonly text: string }
  /** Sends the text byte by byte, a turn of the event loop between two. */
  | { readonly do: 'dribble'; readonly text: string }
  | { readonly do: 'delay'; readonly ms: number; readonly text: string }

export type Stage =
  'banner' | 'ehlo' | 'helo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'dot' | 'rset' | 'quit'

/** Where it is not told what to do, the receiver behaves. */
export interface Script {
  readonly at?: Partial<Record<Stage, Action>>
  /** Decides for a recipient; falls back to `at.rcpt`. */
  readonly rcpt?: (address: string) => Action | undefined
  /** Decides for the nth message of the connection, from 0, at a stage; falls back to `at`. */
  readonly nth?: (stage: Stage, message: number) => Action | undefined
  /** Lines of the EHLO reply after the first. */
  readonly offers?: readonly string[]
  /** After the plain EHLO is offered, STARTTLS works. */
  readonly tls?: boolean
  /** Goes wrong in the middle of the content, after that many bytes. */
  readonly duringData?: { readonly after: number; readonly action: Action }
  /** The TLS handshake fails. */
  readonly brokenTls?: boolean
}

/** The script of a connection, by its number (from 0), the address it comes from and the one it came to. */
export type ScriptOf = (connection: number, client: string, server: string) => Script

export interface Accepted {
  readonly connection: number
  readonly from: string
  readonly recipients: readonly string[]
  readonly content: string
}

export class FakeReceiver {
  /** What it has said yes to at the dot, whether or not the reply got through. */
  readonly accepted: Accepted[] = []
  /** Commands by connection. */
  readonly commands: string[][] = []
  open = 0
  /** At a time; one whose end has arrived with the beginning of another is not counted beside it. */
  mostOpen = 0
  private readonly sockets = new Set<Socket>()

  private constructor(
    private readonly server: Server,
    private readonly scriptOf: ScriptOf,
  ) {
    server.on('connection', (socket) => this.serve(socket))
  }

  static async listen(script: Script | ScriptOf = {}, address = '127.0.0.1', port = 0): Promise<FakeReceiver> {
    const server = createServer()
    const receiver = new FakeReceiver(server, typeof script === 'function' ? script : () => script)
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, address, resolve))
    return receiver
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.commands.length
  }

  /** Addresses accepted, once for each time. */
  get acceptedRecipients(): string[] {
    return this.accepted.flatMap((one) => one.recipients)
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }

  private serve(socket: Socket): void {
    const index = this.commands.length
    const commands: string[] = []
    this.commands.push(commands)
    this.sockets.add(socket)
    this.open++
    // The end of another one may have arrived together with the beginning of this one: it is looked at first.
    setImmediate(() => setImmediate(() => (this.mostOpen = Math.max(this.mostOpen, this.open))))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.open--
      this.sockets.delete(socket)
    })
    new Dialogue(
      socket,
      this.scriptOf(index, socket.remoteAddress ?? '', socket.localAddress ?? ''),
      commands,
      (message) => this.accepted.push({ connection: index, ...message }),
    ).begin()
  }
}

class Dialogue {
  private socket: Socket
  private rest = ''
  private message = 0
  private from = ''
  private recipients: string[] = []
  private content: string | undefined
  private secured = false
  private credentials: 'none' | 'wanted' = 'none'
  private gone = false
  private queue: Promise<void> = Promise.resolve()

  constructor(
    private readonly tcp: Socket,
    private readonly script: Script,
    private readonly commands: string[],
    private readonly accept: (message: Omit<Accepted, 'connection'>) => void,
  ) {
    this.socket = tcp
  }

  begin(): void {
    this.hear(this.tcp)
    this.act('banner', '220 fake ESMTP')
  }

  private hear(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => this.take(chunk.toString('latin1')))
  }

  private take(text: string): void {
    if (this.gone) return
    this.rest += text
    if (this.content !== undefined) this.watchData()
    for (let end = this.rest.indexOf('\r\n'); end >= 0; end = this.rest.indexOf('\r\n')) {
      if (this.hasGone()) return
      const line = this.rest.slice(0, end)
      this.rest = this.rest.slice(end + 2)
      if (this.content === undefined) this.command(line)
      else if (line === '.') this.endOfData()
      else this.content += `${line.startsWith('.') ? line.slice(1) : line}\r\n`
    }
  }

  private hasGone(): boolean {
    return this.gone
  }

  private watchData(): void {
    const { duringData } = this.script
    if (!duringData || (this.content ?? '').length + this.rest.length < duringData.after) return
    this.perform(duringData.action)
    this.gone = true
  }

  private command(line: string): void {
    this.commands.push(line)
    if (this.credentials === 'wanted') {
      this.act('auth', '235 2.7.0 welcome', () => (this.credentials = 'none'))
      return
    }
    const [verb = ''] = line.toUpperCase().split(' ')
    const answer = this.answers[verb]
    if (answer) answer(line)
    else this.say('500 5.5.1 what?')
  }

  private readonly answers: Record<string, (line: string) => void> = {
    EHLO: () => {
      const offers = [...(this.script.offers ?? []), ...(this.script.tls && !this.secured ? ['STARTTLS'] : [])]
      const lines = ['fake', ...offers]
      this.act('ehlo', lines.map((text, n) => `250${n === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n'))
    },
    HELO: () => this.act('helo', '250 fake'),
    STARTTLS: () => this.act('starttls', '220 2.0.0 go ahead', () => this.secure()),
    AUTH: () => this.act('auth', '235 2.7.0 welcome'),
    MAIL: (line) => {
      this.from = /<([^>]*)>/.exec(line)?.[1] ?? ''
      this.recipients = []
      this.act('mail', '250 2.1.0 ok')
    },
    RCPT: (line) => {
      const address = /<([^>]*)>/.exec(line)?.[1] ?? ''
      const action = this.script.rcpt?.(address)
      const yes = () => this.recipients.push(address)
      if (action === undefined) this.act('rcpt', '250 2.1.5 ok', yes)
      else this.perform(action, yes)
    },
    DATA: () => {
      if (this.recipients.length === 0 && !this.script.nth) {
        this.say('554 5.5.1 no valid recipients')
        return
      }
      this.act('data', '354 go on', () => (this.content = ''))
    },
    RSET: () => this.act('rset', '250 2.0.0 ok', () => (this.recipients = [])),
    QUIT: () => {
      this.act('quit', '221 2.0.0 bye', () => this.later(() => this.socket.end()))
    },
  }

  private endOfData(): void {
    const content = this.content ?? ''
    this.content = undefined
    this.act('dot', '250 2.0.0 taken', () => {
      if (this.recipients.length > 0) this.accept({ from: this.from, recipients: this.recipients, content })
    })
    this.message++
  }

  /** @param yes called if the receiver says yes, also where its reply never arrives */
  private act(stage: Stage, normal: string, yes?: () => void): void {
    this.perform(this.script.nth?.(stage, this.message) ?? this.script.at?.[stage] ?? normal, yes)
  }

  private perform(action: Action, yes?: () => void): void {
    const text = typeof action === 'string' ? action : 'text' in action ? action.text : ''
    const agrees = /^[23]\d\d/.test(text) || (typeof action === 'object' && 'accept' in action)
    this.carryOut(action)
    if (agrees) yes?.()
  }

  private carryOut(action: Action): void {
    if (typeof action === 'string') this.say(action)
    else if (action.do === 'dribble') for (const byte of `${action.text}\r\n`) this.say(byte, '')
    else if (action.do === 'delay')
      this.queue = this.queue.then(() => pause(action.ms)).then(() => this.say(action.text))
    else if (action.do === 'silence') this.gone = true
    else {
      this.gone = true
      if (action.do === 'say-and-close') this.say(action.text)
      this.later(() => (action.do === 'reset' ? this.tcp.resetAndDestroy() : this.socket.end()))
    }
  }

  private say(text: string, end = '\r\n'): void {
    this.later(() => {
      if (this.socket.writable) this.socket.write(text + end)
    })
  }

  /** Everything said keeps its order. */
  private later(what: () => void): void {
    this.queue = this.queue.then(() => new Promise((resolve) => setImmediate(resolve))).then(what)
  }

  private secure(): void {
    // The client's handshake may arrive before the upgrade: it must wait in the socket, not be heard as commands.
    this.tcp.removeAllListeners('data')
    this.tcp.pause()
    this.later(() => {
      if (this.script.brokenTls) {
        this.tcp.resume()
        this.socket.write('this is not a handshake\r\n')
        this.socket.end()
        return
      }
      const secure = new TLSSocket(this.tcp, { isServer: true, ...credentials() })
      secure.on('error', () => undefined)
      this.socket = secure
      this.secured = true
      this.hear(secure)
    })
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
