// One client's TCP connection: bytes in as items, replies out in batches, STARTTLS, time-outs, and the ways to end it.
// Items wait while the wire is held. `gone` is called exactly once, as soon as the client's end was seen.

import type { Socket } from 'node:net'
import { TLSSocket, type SecureContext } from 'node:tls'

import { SmtpInput, type Input } from './input'

export interface WireListener {
  item(input: Input): void
  idle(): void
  gone(reason: 'client' | 'fault'): void
}

/** How long a client may take to close after the last word. */
const lingerMs = 5000
/** What a client may send ahead of the answers. */
const mostAhead = 1_048_576

type Written = (ok: boolean) => void

export class Wire {
  private readonly input = new SmtpInput()
  private socket: Socket
  private held = true
  private over = false
  private isGone = false
  private pumping = false
  private text = ''
  private written: Written[] = []
  private linger: NodeJS.Timeout | undefined
  /** Resolved when the socket is closed and every `written` was told. */
  readonly closed: Promise<void>

  constructor(
    private readonly raw: Socket,
    private readonly listener: WireListener,
    private readonly idleMs: number,
  ) {
    this.socket = raw
    raw.setNoDelay(true)
    this.closed = new Promise((done) => {
      raw.on('close', () => {
        this.end('client')
        done()
      })
    })
    this.attach()
  }

  /** Protocol and cipher; empty = clear text. */
  get tls(): string {
    if (!(this.socket instanceof TLSSocket)) return ''
    return `${this.socket.getProtocol() ?? ''} ${this.socket.getCipher().name}`
  }

  get inMessage(): boolean {
    return this.input.inMessage
  }

  /** Items wait until `release`. */
  hold(): void {
    this.held = true
  }

  release(): void {
    this.held = false
    this.pump()
  }

  beginMessage(): void {
    this.input.beginMessage()
  }

  /** Queues a reply; `written` hears whether it was handed to the network. Order is kept. */
  say(wire: string, written?: Written): void {
    if (this.over) {
      written?.(false)
      return
    }
    this.text += wire
    if (written) this.written.push(written)
    if (!this.pumping) this.flush()
  }

  /** The last word: what was said goes out, then FIN; what still comes in is thrown away. */
  close(): void {
    if (this.over) return
    this.flush()
    this.over = true
    this.socket.end()
    this.socket.resume()
    this.linger = setTimeout(() => this.raw.destroy(), lingerMs)
    this.linger.unref()
  }

  /** RST, without a word. */
  reset(): void {
    this.over = true
    this.raw.resetAndDestroy()
  }

  /** Reads on, to see the client leave, and never answers again. */
  fallSilent(): void {
    this.over = true
  }

  destroy(): void {
    this.over = true
    this.raw.destroy()
  }

  /** Speaks TLS from here on; what the client said ahead of it is forgotten. */
  startTls(secureContext: SecureContext, secured: () => void): void {
    this.flush()
    this.hold()
    this.input.discard()
    this.raw.removeAllListeners('data')
    this.raw.removeAllListeners('end')
    this.raw.removeAllListeners('timeout')
    this.raw.setTimeout(0)
    const tls = new TLSSocket(this.raw, { isServer: true, secureContext })
    this.socket = tls
    this.attach()
    tls.once('secure', () => {
      secured()
      this.release()
    })
  }

  private attach(): void {
    const { socket } = this
    socket.on('data', (chunk: Buffer) => this.receive(chunk))
    socket.on('end', () => this.end('client'))
    socket.on('error', () => this.end('fault'))
    socket.setTimeout(this.idleMs, () => {
      if (this.over) this.raw.destroy()
      else this.listener.idle()
    })
  }

  private receive(chunk: Buffer): void {
    if (this.over) return
    this.input.feed(chunk)
    if (this.held && this.input.waiting > mostAhead) this.socket.pause()
    this.pump()
  }

  private pump(): void {
    if (this.pumping) return
    this.pumping = true
    try {
      while (!this.held && !this.over) {
        const item = this.input.next()
        if (!item) break
        this.listener.item(item)
      }
    } finally {
      this.pumping = false
    }
    this.flush()
    if (!this.held && this.socket.isPaused()) this.socket.resume()
  }

  private flush(): void {
    if (this.text === '' || this.over) return
    const { text, written } = this
    this.text = ''
    this.written = []
    if (written.length === 0) this.socket.write(text)
    else this.socket.write(text, (fault) => written.forEach((tell) => tell(!fault)))
  }

  private end(reason: 'client' | 'fault'): void {
    if (this.isGone) return
    this.isGone = true
    this.over = true
    clearTimeout(this.linger)
    const unsaid = this.written.splice(0)
    for (const tell of unsaid) tell(false)
    this.listener.gone(reason)
    if (!this.raw.destroyed && reason === 'fault') this.raw.destroy()
  }
}
