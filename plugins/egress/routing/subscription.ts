// The routing document in force. Read at start and whenever its channel says that there is a new one; looked at every
// two seconds besides, in case a notice was lost. A document that is not valid changes nothing: the last good one
// stays, and so it does when Redis is away or has lost it.

import { messageOf } from '@sluice/core/errors'
import type { RedisKeys } from '@sluice/core/redis/keys'
import { routingSchema, type RoutingDocument } from '@sluice/core/routing/table'

import type { LinkLog, RedisLink } from '../redis/link'

const pollMs = 2000

export class RoutingSubscription {
  /** What Redis held when it was read last: only a change is parsed. */
  private text: string | undefined
  private poll: NodeJS.Timeout | undefined
  private reading = false
  private again = false
  private readonly firstRead = new Gate()

  constructor(
    private readonly link: RedisLink,
    private readonly keys: RedisKeys,
    private readonly log: LinkLog,
    private readonly swap: (document: RoutingDocument) => void,
  ) {
    link.onReturn(() => void this.read())
    link.subscribe(keys.routingChannel, () => void this.read())
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
    let text: string | null
    try {
      text = await this.link.run((redis) => redis.get(this.keys.routing))
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
    try {
      const document = routingSchema.parse(JSON.parse(text))
      this.swap(document)
    } catch (thrown) {
      this.log.error(`SLUICE_REDIS_CONTENT: ${this.keys.routing}: ${messageOf(thrown)}; the last good document stays`)
    }
  }
}

/** A promise that somebody else resolves. */
class Gate {
  open: () => void = () => undefined
  readonly opened = new Promise<void>((resolve) => (this.open = resolve))
}
