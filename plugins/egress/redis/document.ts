// A document in Redis that this worker goes by. Read at start and whenever its channel says that there is a new one;
// looked at every two seconds besides, in case a notice was lost. A document that is not valid changes nothing: the
// last good one stays, and so it does when Redis is away or has lost it.

import { messageOf } from '@sluice/core/errors'

import type { LinkLog, RedisLink } from './link'

const pollMs = 2000

export interface DocumentParts {
  readonly link: RedisLink
  readonly key: string
  /** Says that there is a new one. */
  readonly channel: string
  readonly log: LinkLog
  /** Takes a new text; throws where it is not valid. */
  readonly take: (text: string) => void
}

export class DocumentSubscription {
  /** What Redis held when it was read last: only a change is taken. */
  private text: string | undefined
  private poll: NodeJS.Timeout | undefined
  private reading = false
  private again = false
  private readonly firstRead = new Gate()

  constructor(private readonly parts: DocumentParts) {
    const { link, channel } = parts
    link.onReturn(() => void this.read())
    link.subscribe(channel, () => void this.read())
  }

  start(): void {
    this.poll ??= setInterval(() => void this.read(), pollMs).unref()
  }

  stop(): void {
    clearInterval(this.poll)
  }

  /** Resolves once the document has been looked for, or after `ms`: nobody waits for a Redis that is away. */
  async ready(ms: number): Promise<void> {
    const late = new Gate()
    const timer = setTimeout(() => late.open(), ms)
    await Promise.race([this.firstRead.opened, late.opened])
    clearTimeout(timer)
  }

  /** One read at a time; a notice that comes meanwhile causes another one. */
  private async read(): Promise<void> {
    this.again = true
    if (this.reading) return
    this.reading = true
    while (this.again) {
      this.again = false
      await this.readOnce()
    }
    this.reading = false
  }

  private async readOnce(): Promise<void> {
    const { link, key } = this.parts
    let text: string | null
    try {
      text = await link.run((redis) => redis.get(key))
    } catch {
      return // away: the link has said so; its return reads again
    }
    if (text !== null && text !== this.text) {
      this.text = text
      this.take(text)
    }
    this.firstRead.open()
  }

  private take(text: string): void {
    const { key, log, take } = this.parts
    try {
      take(text)
    } catch (thrown) {
      log.error(`SLUICE_REDIS_CONTENT: ${key}: ${messageOf(thrown)}; the last good document stays`)
    }
  }
}

/** A promise that somebody else resolves. */
class Gate {
  open: () => void = () => undefined
  readonly opened = new Promise<void>((resolve) => (this.open = resolve))
}
