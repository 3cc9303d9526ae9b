// What the rest of Sluice sees of Haraka's outbound: a clean attempt with exactly one outcome per recipient, a place
// to park mail, and leases that live exactly as long as the connection they paid for.
//
// Life of an attempt: egress calls `begin` in send_email and either parks the mail or sets `attempt.route`; host
// delivers along the route and reports one `Settlement`. When a refused mail is tried again egress says too
// (`scheduleRetry`); everything else (queue, timer, split of partial failures, DSN) is Haraka's and stays behind this.

import type { RuleSet } from '@sluice/core/bounce/classify'
import type { Verdict } from '@sluice/core/bounce/verdict'
import type { EgressConfig } from '@sluice/core/config/egress'
import type { FeedbackConfig } from '@sluice/core/config/feedback'
import type { ShapingConfig } from '@sluice/core/config/shaping'
import type { SluiceConfig } from '@sluice/core/config/sluice'
import type { OutcomeKind, Phase } from '@sluice/core/outcome/record'
import type { Tag } from '@sluice/core/stream/tag'

/** The part of Haraka's Address (@haraka/email-address 3) that Sluice reads. Mind: `address` is a property there. */
export interface MailAddress {
  /** ASCII form, lower case; empty for the null sender and for a bare postmaster. */
  readonly host: string
  readonly user: string
  /** `user@host` as submitted; empty for the null sender. */
  readonly address: string
}

/** The part of Haraka's HMailItem that Sluice reads. */
export interface HMail {
  readonly filename: string
  readonly path: string
  readonly num_failures: number
  readonly file_size: number
  readonly todo: {
    readonly uuid: string
    readonly domain: string
    readonly queue_time: number
    readonly mail_from: MailAddress
    readonly rcpt_to: readonly MailAddress[]
    readonly notes: Record<string, unknown>
  }
}

/** The right to one connection in a lane (source x provider), granted by egress. */
export interface Lease {
  readonly id: string
  /**
   * Idempotent. Host calls it once the connection it paid for is closed, or as soon as it is clear that none will be
   * opened. While a connection is kept alive its lease stays with it.
   */
  release(): void
  /** Host calls it before each MAIL and waits for the promise, if there is one: rates are kept as receivers count. */
  beforeMail?(): Promise<void> | undefined
  /** Host found another idle connection for the message that `other` was granted for; `other` is released after it. */
  takeOver?(other: Lease): void
}

export interface Timeouts {
  /** All in milliseconds; the defaults are RFC 5321 4.5.3.2. */
  readonly connect: number
  readonly banner: number
  readonly mail: number
  readonly rcpt: number
  readonly data: number
  readonly block: number
  readonly dot: number
}

/** One host to try: an MX host found in DNS, or a relay. */
export interface MxHost {
  readonly name: string
  /** Literal addresses in the order to try, already matched to the families the source can bind. */
  readonly addresses: readonly string[]
  readonly port: number
  readonly tls: 'none' | 'opportunistic' | 'required'
  /** The certificate must be valid for `name`; default false (an MX host's name proves nothing without DNSSEC). */
  readonly verify?: boolean
  readonly auth?: { readonly username: string; readonly password: string }
}

/** The way out that egress chose for one attempt. */
export interface Route {
  readonly pool: string
  readonly source: string
  readonly provider: string
  readonly site: string
  /** Key of the lane the lease was taken in (`laneKey`); idle connections are kept, and had back, under it. */
  readonly lane: string
  /** Probability with which the source was chosen, 0..1. */
  readonly propensity: number
  /** Version of the routing document; 0 = base weights. */
  readonly routing_version: number
  /** In order of preference. */
  readonly hosts: readonly MxHost[]
  readonly bind: { readonly v4?: string; readonly v6?: string }
  readonly ehlo: string
  readonly lease: Lease
  readonly messages_per_connection: number
  readonly recipients_per_message: number
  readonly idle_ms: number
  readonly timeouts: Timeouts
}

/** Key of a lane, as host and egress both write it; a relay is one receiver whatever the domain: provider `*`. */
export const laneKey = (source: string, provider: string): string => `${source}|${provider}`

/** What was seen of one MX host in one attempt. Nothing in it is left over from another try. */
export interface Evidence {
  readonly mx_host: string
  readonly remote_ip: string
  readonly port: number
  readonly local_ip: string
  readonly phase: Phase
  /** 0 = no reply. */
  readonly code: number
  /** Full-width enhanced code (RFC 3463), e.g. 4.7.28; empty where none. */
  readonly enhanced: string
  /** Reply lines as received, or the local reason (`connect ECONNREFUSED …`) where code is 0. */
  readonly lines: readonly string[]
  /** TLS version and cipher, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty = plain text. */
  readonly tls: string
  /** ms; 0 where not reached */
  readonly connect_ms: number
  readonly tls_ms: number
  readonly first_reply_ms: number
  readonly total_ms: number
  /** Messages the connection had carried before this one. */
  readonly connection_use: number
}

/** Recipients that do not get a message because they are on the suppression list. */
export interface Suppressed {
  /** ms since 1970 */
  readonly at: number
  readonly tag: Tag
  /** Transaction id of Haraka. */
  readonly queue_id: string
  /** Of the envelope sender; empty for the null sender. */
  readonly sender_domain: string
  /** `rcpt`: refused to the submitter; `queue`: left out after that. */
  readonly phase: Extract<Phase, 'rcpt' | 'queue'>
  readonly recipients: readonly {
    readonly address: string
    /** Reason, as `suppressionReasons` has it. */
    readonly reason: string
    /** For people. */
    readonly says: string
  }[]
}

/** What an operator wants of a mail that is not to be delivered. */
export interface DropOrder {
  /** Whether the sender gets a bounce message; the null sender never does. */
  readonly bounce: boolean
  /** For people. */
  readonly reason: string
}

/** A mail that an operator has ended. */
export interface Dropped extends DropOrder {
  readonly hmail: HMail
  /** ms since 1970 */
  readonly at: number
}

export interface RecipientResult {
  readonly address: string
  readonly kind: Extract<OutcomeKind, 'delivered' | 'deferred' | 'bounced' | 'expired'>
  readonly evidence: Evidence
}

/**
 * Why there is no way to deliver a mail. `get_mx` answers accordingly and the settlement's evidence says so:
 * permanent = bounced, else deferred.
 */
export interface NoRoute {
  readonly kind: 'null_mx' | 'dns' | 'unreachable'
  readonly permanent: boolean
  /** Enhanced code (RFC 3463), e.g. 5.1.10 for a null MX (RFC 7505). */
  readonly enhanced: string
  /** For people. */
  readonly detail: string
}

export interface Attempt {
  /** UUIDv7 */
  readonly id: string
  readonly hmail: HMail
  /** ms since 1970 */
  readonly started: number
  /** From 1; counts attempts of this queue file, over restarts too. */
  readonly number: number
  /** Set by egress before it lets the mail go on. Absent = Sluice did not steer it (egress not loaded). */
  route?: Route
  /** Set by egress instead of `route` where there is none to be had. */
  noRoute?: NoRoute
}

/** How one attempt ended; reported exactly once. */
export interface Settlement {
  readonly attempt: Attempt
  readonly at: number
  /** Empty where the attempt was rerouted: the mail goes on in an attempt of its own. */
  readonly recipients: readonly RecipientResult[]
  /** MX hosts that failed before the attempt went on to another one, in order. */
  readonly tries: readonly Evidence[]
}

/**
 * What to do with an attempt whose hosts all failed before one of them had heard MAIL: let Haraka defer the mail (a
 * failure that counts), or put the mail back at the end of the delivery queue at once, uncounted, so that send_email
 * runs again and another way can be chosen.
 */
export type Undelivered = 'defer' | 'reroute'

/** One recipient who was refused, and by what. */
export interface RefusedRecipient {
  readonly address: string
  readonly evidence: Evidence
}

/** What was refused in an attempt and is now about to be deferred or bounced, as one queue file. */
export interface Refusal {
  /** What goes on: the attempt's mail, or the item split off it for these recipients. */
  readonly hmail: HMail
  readonly attempt: Attempt
  readonly kind: 'deferred' | 'bounced'
  /** Never empty. */
  readonly recipients: readonly RefusedRecipient[]
}

/**
 * When a refused mail is tried again. Every attempt that was refused counts, also where the next one follows at once.
 * `now` saves a mail from a bounce too: its recipients are then deferred; `retry` and `expire` are for deferrals only.
 */
export type RetryPlan =
  /** ms since 1970; kept by the queue file's name, over restarts too. Never earlier; Haraka looks once a second. */
  | { readonly kind: 'retry'; readonly at: number }
  | { readonly kind: 'now' }
  /** Its time is over: an outcome `expired` for each recipient, and Haraka's bounce message, which says so. */
  | { readonly kind: 'expire'; readonly says: string }

/** One host that takes mail for a domain, with its addresses (both families, in the order of the answer). */
export interface MxTarget {
  readonly name: string
  /** Lower is preferred (RFC 5321 5.1). */
  readonly preference: number
  readonly v4: readonly string[]
  readonly v6: readonly string[]
}

/** Why DNS gave no host. NXDOMAIN and NODATA are the domain's own answer; SERVFAIL and TIMEOUT are worth a retry. */
export type DnsFault = 'NXDOMAIN' | 'NODATA' | 'SERVFAIL' | 'TIMEOUT'

/**
 * Where mail of a domain goes (RFC 5321 5.1, RFC 7505).
 * `hosts` is sorted by preference (equal preferences in the order of the answer: shuffle when you use it) and names
 * every MX host, also those without an address. `implicit`: no MX record, the domain itself takes mail.
 */
export type MxAnswer =
  | {
      readonly kind: 'hosts'
      readonly hosts: readonly MxTarget[]
      readonly implicit: boolean
      readonly expires: number
    }
  | { readonly kind: 'null_mx'; readonly expires: number }
  | {
      readonly kind: 'fault'
      readonly fault: DnsFault
      /** True: ask again later; false: nobody takes mail for this domain. */
      readonly temporary: boolean
      /** For people: what was asked and what came back. */
      readonly detail: string
      readonly expires: number
    }

export type AddressAnswer =
  | {
      readonly kind: 'addresses'
      readonly v4: readonly string[]
      readonly v6: readonly string[]
      readonly expires: number
    }
  | {
      readonly kind: 'fault'
      readonly fault: DnsFault
      readonly temporary: boolean
      readonly detail: string
      readonly expires: number
    }

/** Cached DNS. Look-ups never reject: a fault is a value. `expires` is in ms since 1970. */
export interface Dns {
  /** One query serves everybody who asks while it is under way, and everybody after it until the TTL has passed. */
  lookupMx(domain: string): Promise<MxAnswer>
  /** The answer at hand, without a query; undefined where there is none or it has expired. */
  cachedMx(domain: string): MxAnswer | undefined
  /** Addresses of one host name (a relay); literal addresses are answered as they are. */
  lookupAddresses(name: string): Promise<AddressAnswer>
}

/** What the configuration folder of this Haraka says. Immutable. */
export interface Configuration {
  readonly sluice: SluiceConfig
  /** Absent where there is no egress.yaml (Sluice does not steer). */
  readonly egress?: EgressConfig
  /** shaping.yaml over the shipped providers. */
  readonly shaping: ShapingConfig
  /** bounce.yaml over the shipped rules. */
  readonly bounceRules: RuleSet
  /** Absent where there is no feedback.yaml (nothing is signed, no report is taken). */
  readonly feedback?: FeedbackConfig
}

export interface ConfigurationSource {
  /**
   * The last good configuration; read from disk at first use.
   * @throws ConfigError at first use, naming file, line and key, if a file is bad. Later a bad file changes nothing.
   */
  readonly current: Configuration
  /** Called after every change that is good as a whole. */
  onChange(listener: (now: Configuration, before: Configuration) => void): void
}

export interface Host {
  readonly dns: Dns
  /** Short for `dns.lookupMx`. */
  lookupMx(domain: string): Promise<MxAnswer>
  readonly configuration: ConfigurationSource

  /** Starts the attempt of this mail; called in send_email each time the mail comes out of a queue. */
  begin(hmail: HMail): Attempt
  /** The attempt under way for this mail, also for the items Haraka splits off it. */
  attemptOf(hmail: HMail): Attempt | undefined
  onSettled(listener: (settlement: Settlement) => void): void
  /**
   * Told of an MX host that has failed as soon as the attempt goes on to another one; the settlement tells of it again
   * (the same object), which may be minutes later.
   */
  onTried(listener: (attempt: Attempt, evidence: Evidence) => void): void
  /**
   * What a refusal means, by the rules in force (bounce.yaml); judged once, the same for everybody who asks.
   * @param over whether the attempt ended in a bounce; it decides where there is no reply code
   */
  verdictOf(attempt: Attempt, evidence: Evidence, over: boolean): Verdict
  /**
   * Sets the judge of attempts that reached nobody: every try ended in phase connect, banner, ehlo, starttls, tls or
   * auth (`tries` has all of them, in order). Without a judge, and if it throws, the mail is deferred. A rerouted
   * attempt gives its lease back and settles at once with its tries and no results.
   */
  judgeUndelivered(judge: (attempt: Attempt, tries: readonly Evidence[]) => Undelivered): void

  /**
   * Sets who decides when refused mail is tried again (guard `retry`). Asked at least once for each part of a mail that
   * fares alike, and for single recipients of a bounce to see who may yet go another way: it must give the same answer
   * to the same question. undefined = Haraka's own way: its schedule, or the bounce.
   */
  scheduleRetry(decide: (refusal: Refusal) => RetryPlan | undefined): void

  /**
   * Takes the mail out of Haraka's delivery queue without a failed attempt; call inside send_email and do not call
   * next() afterwards. The queue file is untouched, so a restart loads the mail again. An attempt that was begun is
   * forgotten.
   */
  park(hmail: HMail): void
  /**
   * Takes these addresses off a mail; call inside send_email, before an attempt is begun. They get neither the message
   * nor a bounce. The queue file is untouched while anybody is left, so after a restart all are there again.
   * @returns false where nobody is left: the mail is gone, do not call next()
   */
  dropRecipients(hmail: HMail, addresses: ReadonlySet<string>): boolean
  /**
   * Ends a mail that is parked: nobody gets it, and its queue file goes. Told to whoever listens to `onDropped`.
   * Resolves when the file is gone, or where a bounce message is made, as soon as that has begun.
   */
  dropParked(hmail: HMail, order: DropOrder): Promise<void>
  onDropped(listener: (event: Dropped) => void): void
  /** For whoever finds recipients suppressed; `onSuppressed` for whoever records it. */
  tellSuppressed(event: Suppressed): void
  onSuppressed(listener: (event: Suppressed) => void): void

  /**
   * Sets who writes the return path of a mail, asked before each attempt's MAIL: an address, or undefined where the
   * envelope sender stays. The queue file keeps the sender, who gets the bounces that Haraka itself makes.
   */
  signReturnPath(sign: (hmail: HMail) => string | undefined): void

  /** Puts a parked mail back at the end of the delivery queue; send_email runs again for it. */
  wake(hmail: HMail): void

  /** Idle kept-alive connections of the lane. */
  idle(lane: string): number
  /**
   * Takes an idle kept-alive connection of the lane and hands over its lease: the next attempt routed with that lease
   * uses the connection if it leads to one of its hosts, and otherwise closes it before it connects.
   */
  takeIdle(lane: string): Lease | undefined
  /**
   * Gives a lease back that no attempt was begun with. If it was had from `takeIdle`, its connection is ended first and
   * the lease released when the socket is closed.
   */
  returnLease(lease: Lease): void
  /** Called when a connection of a lane has become idle (its lease can be had by `takeIdle`). */
  onIdle(listener: (lane: string) => void): void
}
