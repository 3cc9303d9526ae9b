// The suppression list as a worker asks it: all recipients of a message in one round trip. Where Redis does not answer
// within a few tens of milliseconds the mail goes on unchecked; how many, is said.

import { discretionOf, listedName, type Discretion } from '@sluice/core/outcome/recipient'
import type { SluiceConfig } from '@sluice/core/config/sluice'
import { messageOf } from '@sluice/core/errors'
import { redisKeys } from '@sluice/core/redis/keys'
import { holdOf, questionFor, type Hold } from '@sluice/core/suppression/check'
import type { SuppressionScope } from '@sluice/core/suppression/entry'
import { readSecret, RedisLink, type LinkLog } from 'haraka-plugin-sluice-host'

/** The first mail after a start waits so long for the connection. ms */
const firstContactMs = 500
const sayEveryMs = 10_000

export class SuppressionList {
  private readonly link: RedisLink
  private readonly key: (bucket: number) => string
  private discretion: Discretion
  private opening: Promise<void> | undefined
  private unsaid = 0
  private saidAt = -Infinity
  /** Recipients that were not checked, since the start of the process. */
  unchecked = 0

  /** @throws SluiceError SLUICE_SECRET_MISSING where `recipient: hash` has no key */
  constructor(
    config: SluiceConfig,
    private readonly log: LinkLog,
  ) {
    const url = process.env['REDIS_URL'] ?? config.redis.url
    this.link = new RedisLink({ url, meanwhile: 'suppression is not checked' }, log)
    this.key = redisKeys(config.redis.prefix).suppressed
    this.discretion = discretionOf(config, readSecret)
  }

  reconfigure(config: SluiceConfig): void {
    this.discretion = discretionOf(config, readSecret)
  }

  /**
   * Who of them is suppressed, and by what; undefined where the list could not be asked. Never rejects.
   * @param now ms since 1970
   */
  async check(
    addresses: readonly string[],
    scopes: readonly SuppressionScope[],
    now: number,
  ): Promise<Map<string, Hold> | undefined> {
    await this.open()
    try {
      // Commands of one tick leave together.
      const holds = await Promise.all(addresses.map((address) => this.ask(address, scopes, now)))
      return new Map(holds.flatMap((hold, index) => (hold ? [[addresses[index] ?? '', hold] as const] : [])))
    } catch (thrown) {
      this.count(addresses.length, messageOf(thrown))
      return undefined
    }
  }

  close(): void {
    this.link.close()
  }

  private async ask(address: string, scopes: readonly SuppressionScope[], now: number): Promise<Hold | undefined> {
    const { bucket, fields } = questionFor(listedName(address, this.discretion), scopes)
    const wanted = fields.map((field) => Buffer.from(field, 'latin1'))
    const found = await this.link.run((redis) => redis.hmgetBuffer(this.key(bucket), ...wanted))
    return holdOf(
      scopes,
      found.map((value) => value && value.toString('latin1')),
      now,
    )
  }

  /** Connects at first use: not every process takes mail. */
  private open(): Promise<void> {
    this.opening ??= new Promise((resolve) => {
      const timer = setTimeout(resolve, firstContactMs)
      this.link.onReturn(() => {
        clearTimeout(timer)
        resolve()
      })
      this.link.open()
    })
    return this.opening
  }

  private count(recipients: number, why: string): void {
    this.unchecked += recipients
    this.unsaid += recipients
    const now = Date.now()
    if (now - this.saidAt < sayEveryMs) return
    this.saidAt = now
    this.log.error(`suppression: ${this.unsaid} recipients go on unchecked (${this.unchecked} since the start): ${why}`)
    this.unsaid = 0
  }
}
