// The Host of the contract, put together. One per process: Haraka loads this package once and all plugins share it.
// It exists before Haraka has loaded any plugin; what needs Haraka waits for `attach`.

import path from 'node:path'
import type { SecureContextOptions } from 'node:tls'

import type { Verdict } from '@sluice/core/bounce/verdict'
import { messageOf } from '@sluice/core/errors'

import { Attempts } from './attempt/attempts'
import { Retries, type Decide } from './attempt/retries'
import { Verdicts } from './attempt/verdicts'
import { ConfigurationFolder } from './configuration'
import type {
  Attempt,
  Configuration,
  Dropped,
  DropOrder,
  Evidence,
  HMail,
  Host,
  Lease,
  MxAnswer,
  Settlement,
  Suppressed,
  Undelivered,
} from './contract'
import { Client } from './deliver/client'
import { Lookup } from './dns/lookup'
import { readServer, systemServers } from './dns/servers'
import { Stub } from './dns/stub'
import { dropParked } from './drop'
import type { HarakaItem, HarakaPlugin, Outbound, PluginLog } from './haraka'
import { Notices } from './notices'
import { finish, park, wake } from './parking'
import { QueueFiles } from './queue/files'
import { FreshFiles } from './queue/fresh-files'
import { SessionPool } from './smtp/pool'
import { TlsSettings } from './smtp/tls'

const noTlsSettings: SecureContextOptions = {}

type Judge = (attempt: Attempt, tries: readonly Evidence[]) => Undelivered

const shippedProviders = path.resolve(require.resolve('@sluice/core/errors'), '../../data/providers.yaml')

export class HarakaHost implements Host {
  readonly attempts = new Attempts(Date.now, (thrown) => this.log?.logerror(`settlement: ${messageOf(thrown)}`))
  readonly retries = new Retries(this.attempts, (text) => this.log?.logerror(text))
  readonly configuration: ConfigurationFolder
  private readonly verdicts = new Verdicts(() => this.configuration.current.bounceRules)
  readonly dns: Lookup
  /** The process is ending: what dies now is not replaced. */
  terminating = false
  private log: PluginLog | undefined
  private outbound: Outbound | undefined
  private judge: Judge | undefined
  readonly pool = new SessionPool()
  readonly fresh = new FreshFiles()
  readonly files = new QueueFiles((text) => this.log?.logerror(text))
  readonly client = new Client(
    {
      pool: this.pool,
      fresh: this.fresh,
      tls: new TlsSettings(() => this.haraka?.haraka_require('outbound/tls').cfg ?? noTlsSettings),
    },
    this.attempts,
    (hmail, tries) => this.rerouted(hmail, tries),
    (hmail) => this.returnPathOf(hmail),
    (hmail, recipient) => this.retries.planOf(hmail, 'bounced', [recipient])?.kind === 'now',
    (hmail, evidence) => this.tried(hmail, evidence),
    (hmail, evidence) => this.verdictIn(hmail, evidence)?.action === 'new_connection',
  )
  private readonly suppressions = new Notices<Suppressed>((thrown) =>
    this.log?.logerror(`suppressed: ${messageOf(thrown)}`),
  )
  private readonly tries = new Notices<{ readonly attempt: Attempt; readonly evidence: Evidence }>((thrown) =>
    this.log?.logerror(`try: ${messageOf(thrown)}`),
  )
  private readonly drops = new Notices<Dropped>((thrown) => this.log?.logerror(`dropped: ${messageOf(thrown)}`))
  private sign: ((hmail: HMail) => string | undefined) | undefined
  private haraka: HarakaPlugin | undefined

  constructor(configFolder: string) {
    this.configuration = new ConfigurationFolder(configFolder, shippedProviders, {
      notice: (text) => this.log?.lognotice(text),
      error: (text) => this.log?.logerror(text),
    })
    const serversOf = ({ sluice }: Configuration) =>
      sluice.resolvers.length > 0 ? sluice.resolvers.map(readServer) : systemServers()
    this.dns = new Lookup(new Stub(() => serversOf(this.configuration.current)))
    this.configuration.onChange((now, before) => {
      if (String(now.sluice.resolvers) !== String(before.sluice.resolvers)) this.dns.clear()
    })
    // Where our client delivers, the lease lives as long as the connection; Haraka's own closes with the attempt.
    this.attempts.onSettled(({ attempt }) => {
      if (!this.client.answersFor(attempt)) attempt.route?.lease.release()
    })
  }

  /** Called from register(): from here on Haraka is there. */
  attach(plugin: HarakaPlugin): void {
    this.log = plugin
    this.outbound = plugin.haraka_require('outbound')
    this.haraka = plugin
  }

  /** Ends what is kept open. */
  async close(): Promise<void> {
    this.configuration.close()
    await this.pool.close()
  }

  lookupMx(domain: string): Promise<MxAnswer> {
    return this.dns.lookupMx(domain)
  }

  begin(hmail: HMail): Attempt {
    return this.attempts.begin(hmail)
  }

  attemptOf(hmail: HMail): Attempt | undefined {
    return this.attempts.of(hmail)
  }

  onSettled(listener: (settlement: Settlement) => void): void {
    this.attempts.onSettled(listener)
  }

  onTried(listener: (attempt: Attempt, evidence: Evidence) => void): void {
    this.tries.listen(({ attempt, evidence }) => listener(attempt, evidence))
  }

  private tried(hmail: HMail, evidence: Evidence): void {
    const attempt = this.attempts.of(hmail)
    if (attempt) this.tries.tell({ attempt, evidence })
  }

  /** Asked before Haraka has been told how the attempt ended: a fault here must not keep the mail. */
  private verdictIn(hmail: HMail, evidence: Evidence): Verdict | undefined {
    const attempt = this.attempts.of(hmail)
    try {
      return attempt && this.verdictOf(attempt, evidence, false)
    } catch (thrown) {
      this.log?.logerror(`verdict: ${messageOf(thrown)}`)
      return undefined
    }
  }

  verdictOf(attempt: Attempt, evidence: Evidence, over: boolean): Verdict {
    return this.verdicts.of(attempt, evidence, over)
  }

  scheduleRetry(decide: Decide): void {
    this.retries.use(decide)
  }

  park(hmail: HMail): void {
    this.attempts.forget(hmail)
    park(hmail as HarakaItem)
  }

  dropRecipients(hmail: HMail, addresses: ReadonlySet<string>): boolean {
    const item = hmail as HarakaItem
    const left = item.todo.rcpt_to.filter(({ address }) => !addresses.has(address))
    if (left.length > 0) {
      item.todo.rcpt_to = left
      return true
    }
    this.attempts.forget(hmail)
    finish(item)
    return false
  }

  async dropParked(hmail: HMail, order: DropOrder): Promise<void> {
    this.fresh.takeContent(hmail.path)
    const gone = dropParked(hmail as HarakaItem, order)
    this.drops.tell({ ...order, hmail, at: Date.now() })
    await gone
  }

  onDropped(listener: (event: Dropped) => void): void {
    this.drops.listen(listener)
  }

  tellSuppressed(event: Suppressed): void {
    this.suppressions.tell(event)
  }

  onSuppressed(listener: (event: Suppressed) => void): void {
    this.suppressions.listen(listener)
  }

  signReturnPath(sign: (hmail: HMail) => string | undefined): void {
    this.sign = sign
  }

  /** A fault in signing must not keep the mail: it leaves with its own sender. */
  private returnPathOf(hmail: HMail): string | undefined {
    try {
      return this.sign?.(hmail)
    } catch (thrown) {
      this.log?.logerror(`return path: ${messageOf(thrown)}`)
      return undefined
    }
  }

  judgeUndelivered(judge: Judge): void {
    this.judge = judge
  }

  /**
   * For the delivery code, before it calls temp_fail for a mail that reached nobody: true = the mail is back in the
   * queue and there is nothing more to do with it.
   */
  rerouted(hmail: HMail, tries: readonly Evidence[]): boolean {
    const attempt = this.attempts.of(hmail)
    if (!attempt || !this.outbound || this.ruling(attempt, tries) === 'defer') return false
    this.attempts.reroute(hmail, tries)
    park(hmail as HarakaItem)
    wake(this.outbound, hmail as HarakaItem)
    return true
  }

  private ruling(attempt: Attempt, tries: readonly Evidence[]): Undelivered {
    try {
      return this.judge?.(attempt, tries) ?? 'defer'
    } catch (thrown) {
      this.log?.logerror(`rerouting: ${messageOf(thrown)}`)
      return 'defer'
    }
  }

  wake(hmail: HMail): void {
    if (this.outbound) wake(this.outbound, hmail as HarakaItem)
  }

  idle(lane: string): number {
    return this.pool.idleIn(lane)
  }

  takeIdle(lane: string): Lease | undefined {
    return this.pool.takeLease(lane)
  }

  returnLease(lease: Lease): void {
    this.pool.returnLease(lease)
  }

  onIdle(listener: (lane: string) => void): void {
    this.pool.onIdle(listener)
  }
}

/** The folder config/ of the Haraka this process is. */
export const harakaConfigFolder = (): string => path.join(process.env['HARAKA'] ?? process.cwd(), 'config')
