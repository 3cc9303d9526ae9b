// Cuts what a client sends into command lines and messages. Pure, pull-based: feed bytes, take items; the caller says
// when a message begins. A message ends at CRLF.CRLF and nowhere else, so that no bare line feed can smuggle one (RFC
// 5321 4.1.1.4). Memory is bounded: lines by `mostLine`, messages are counted and only their beginning is kept.

import type { Message } from '../behaviour/behaviour'

export type Input =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'message'; readonly message: Message }

const mostLine = 4096
const keepBytes = 65_536
const newline = 0x0a
const end = Buffer.from('\r\n.\r\n')
const nothing = Buffer.alloc(0)

export class SmtpInput {
  private buffer: Buffer = nothing
  private receiving = false
  private skippingLine = false
  private size = 0
  private kept: Buffer[] = []
  private keptBytes = 0

  /** Bytes not yet taken. */
  get waiting(): number {
    return this.buffer.length
  }

  /** Whether the client is inside a message. */
  get inMessage(): boolean {
    return this.receiving
  }

  feed(chunk: Buffer): void {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk])
  }

  /** Forgets what was not taken (STARTTLS: nothing said in clear text counts afterwards, RFC 3207 4.2). */
  discard(): void {
    this.buffer = nothing
  }

  /** From here on, what comes is a message. */
  beginMessage(): void {
    this.receiving = true
    this.size = 0
    this.kept = []
    this.keptBytes = 0
    // so that a dot on the first line is found like any other
    this.buffer = Buffer.concat([end.subarray(0, 2), this.buffer])
    this.size -= 2
  }

  /** The next complete item, if there is one. */
  next(): Input | undefined {
    return this.receiving ? this.nextMessage() : this.nextLine()
  }

  private nextLine(): Input | undefined {
    for (;;) {
      const at = this.buffer.indexOf(newline)
      if (at < 0) {
        if (this.buffer.length <= mostLine) return undefined
        this.buffer = nothing
        this.skippingLine = true
        return undefined
      }
      const text = this.buffer.toString('utf8', 0, this.buffer[at - 1] === 0x0d ? at - 1 : at)
      this.buffer = this.buffer.subarray(at + 1)
      const tooLong = this.skippingLine || at > mostLine
      this.skippingLine = false
      return tooLong ? { kind: 'too-long' } : { kind: 'line', text }
    }
  }

  private nextMessage(): Input | undefined {
    const at = this.buffer.indexOf(end)
    if (at < 0) {
      // the last four bytes may be the beginning of the end
      const whole = Math.max(0, this.buffer.length - (end.length - 1))
      this.keep(this.buffer.subarray(0, whole))
      this.buffer = this.buffer.subarray(whole)
      return undefined
    }
    this.keep(this.buffer.subarray(0, at + 2))
    this.buffer = this.buffer.subarray(at + end.length)
    this.receiving = false
    const begin = this.kept.length === 1 && this.kept[0] ? this.kept[0] : Buffer.concat(this.kept)
    this.kept = []
    return { kind: 'message', message: { size: this.size, begin: begin.subarray(2) } }
  }

  private keep(part: Buffer): void {
    this.size += part.length
    const room = keepBytes + 2 - this.keptBytes
    if (part.length === 0 || room <= 0) return
    const piece = part.subarray(0, room)
    this.kept.push(piece)
    this.keptBytes += piece.length
  }
}
