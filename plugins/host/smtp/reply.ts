// Reads SMTP replies out of whatever pieces the network delivers (RFC 5321 4.2). A line that is no reply, or a reply
// without end, is a fault of the peer, told once; nothing after it is read. Memory is bounded by `replyLimit`.

/** One reply, all its lines as received, without line ends. */
export interface Reply {
  readonly kind: 'reply'
  /** 200..599 */
  readonly code: number
  /** RFC 3463 code of the first line, full width, e.g. `4.7.28`; empty where none. */
  readonly enhanced: string
  readonly lines: readonly string[]
}

/** Why there is no reply. */
export interface Fault {
  readonly kind: 'fault'
  /**
   * unreachable: no connection came about; closed: the peer or the network ended it; timeout: silence;
   * protocol: the peer does not speak SMTP; tls: no secure channel; local: something of ours.
   */
  readonly what: 'unreachable' | 'closed' | 'timeout' | 'protocol' | 'tls' | 'local'
  readonly text: string
}

export type Answer = Reply | Fault

export const fault = (what: Fault['what'], text: string): Fault => ({ kind: 'fault', what, text })

export const isPositive = (answer: Answer): boolean =>
  answer.kind === 'reply' && answer.code >= 200 && answer.code < 300

/** Text of a reply without its codes, lines joined by a space, as Haraka's hooks know it. */
export const textOf = (reply: Reply): string =>
  reply.lines.map((line) => line.slice(4).replace(enhancedCode, '').trim()).join(' ')

/** Bytes of one reply; RFC 5321 4.5.3.1.5 asks for 512 per line, real ones are longer. */
export const replyLimit = 64 * 1024

const line = /^([2-5]\d\d)(?:([ -])(.*))?$/s
const enhancedCode = /^#?([245]\.\d{1,3}\.\d{1,3})(?=[\s:]|$)[\s:]?/

export class ReplyParser {
  private rest = ''
  private lines: string[] = []
  private size = 0
  private broken = false

  /** True while part of a reply has been read. */
  get partial(): boolean {
    return this.rest !== '' || this.lines.length > 0
  }

  /** Takes what has arrived; returns the replies that are complete with it, a fault last if the peer is off. */
  feed(chunk: string): Answer[] {
    if (this.broken) return []
    const answers: Answer[] = []
    this.size += chunk.length
    const pieces = (this.rest + chunk).split('\n')
    this.rest = pieces.pop() ?? ''
    for (const piece of pieces) {
      const answer = this.take(piece.endsWith('\r') ? piece.slice(0, -1) : piece)
      if (answer) answers.push(answer)
      if (answer?.kind === 'fault') return answers
    }
    if (this.size > replyLimit) answers.push(this.stop(`a reply of more than ${replyLimit} bytes`))
    return answers
  }

  private take(text: string): Answer | undefined {
    const [, code, more] = line.exec(text) ?? []
    if (code === undefined) return this.stop(`not an SMTP reply: ${text.slice(0, 200)}`)
    this.lines.push(text)
    if (more === '-') return undefined
    const { lines } = this
    this.lines = []
    this.size = this.rest.length
    return { kind: 'reply', code: Number(code), enhanced: enhancedOf(lines[0] ?? ''), lines }
  }

  private stop(text: string): Fault {
    this.broken = true
    return fault('protocol', text)
  }
}

const enhancedOf = (first: string): string => enhancedCode.exec(first.slice(4))?.[1] ?? ''
