// Judges attempts that reached nobody. A relay that cannot be connected to, secured or logged in to is our own side's
// trouble: the mail goes at once by another source, and no failed attempt is counted. An MX host that fails is the
// receiver's: Haraka defers the mail.

import type { Attempt, Evidence, HMail, Settlement, Undelivered } from 'haraka-plugin-sluice-host'

export interface RelayWatch {
  isRelay(source: string): boolean
  /** The relay refused because there were too many connections: that narrows its lane, and breaks nothing. */
  isFull(attempt: Attempt, evidence: Evidence): boolean
  failed(source: string, why: string): void
  worked(source: string): void
}

/** A mail is rerouted so often without being deferred in between; a pool has fewer relays. */
const mostReroutes = 20

export class RelayJudge {
  private readonly reroutes = new WeakMap<HMail, number>()

  constructor(private readonly relays: RelayWatch) {}

  undelivered(attempt: Attempt, tries: readonly Evidence[]): Undelivered {
    const { route, hmail } = attempt
    if (!route || !this.relays.isRelay(route.source)) return 'defer'
    const last = tries.at(-1)
    if (!last || !this.relays.isFull(attempt, last)) this.relays.failed(route.source, sayTry(last))
    const count = (this.reroutes.get(hmail) ?? 0) + 1
    this.reroutes.set(hmail, count)
    return count > mostReroutes ? 'defer' : 'reroute'
  }

  /** A relay that answered MAIL or later works, whatever it answered. */
  settled({ attempt: { route, hmail }, recipients }: Settlement): void {
    if (!route || recipients.length === 0) return
    this.reroutes.delete(hmail)
    const reached = recipients.some(({ evidence }) => evidence.code > 0 && transaction.has(evidence.phase))
    if (reached && this.relays.isRelay(route.source)) this.relays.worked(route.source)
  }
}

const transaction: ReadonlySet<string> = new Set(['mail', 'rcpt', 'data', 'dot'])

const sayTry = (evidence: Evidence | undefined): string =>
  evidence ? `${evidence.mx_host} [${evidence.remote_ip}] ${evidence.phase}: ${evidence.lines.join(' / ')}` : 'no try'
