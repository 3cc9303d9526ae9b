// The outbound scheduler of one worker, put together: what it hears from host, from Redis and from the configuration,
// and what that means to the scheduler.

import { messageOf } from '@sluice/core/errors'
import { redisKeys } from '@sluice/core/redis/keys'
import { routingSchema, type RoutingDocument } from '@sluice/core/routing/table'
import type { Configuration, Host, HMail } from 'haraka-plugin-sluice-host'

import type { Candidate, Next } from './candidate'
import { Lanes } from './lane/lanes'
import { Parked } from './parked/parked'
import { Policy } from './policy'
import { Reaction } from './reaction/reaction'
import { DocumentSubscription } from './redis/document'
import { RedisLink, type LinkLog } from './redis/link'
import { Breakers } from './relay/breakers'
import { RelayJudge } from './relay/judge'
import { Ages } from './retry/ages'
import { Bonds } from './retry/bonds'
import { Retry } from './retry/retry'
import { Scheduler } from './scheduler'
import { Warmup } from './warmup/warmup'

export interface EgressParts {
  readonly host: Host
  readonly log: LinkLog
  /** Unique among all workers that share the Redis. */
  readonly worker: string
  /** EHLO name where a relay has none of its own. */
  readonly me: string
  /** ms since 1970 */
  readonly now?: () => number
  /** Uniform in [0, 1). */
  readonly dice?: () => number
}

/** The first mails after a start wait so long for the routing document and what is known of lanes and warm-ups. ms */
const firstReadMs = 500

export class Egress {
  private policy: Policy | undefined
  private document: RoutingDocument | undefined
  private readonly link: RedisLink
  private readonly reaction: Reaction
  private readonly lanes: Lanes<Candidate>
  private readonly routing: DocumentSubscription
  private readonly warmup: Warmup
  private readonly breakers = new Breakers()
  private readonly ages: Ages
  private readonly scheduler: Scheduler
  private opening: Promise<void> | undefined
  private opened = false

  /** @throws SluiceError SLUICE_SECRET_MISSING where a relay's password is not set */
  constructor(private readonly parts: EgressParts) {
    const { host, log, worker, me, now = Date.now, dice = Math.random } = parts
    const { redis } = host.configuration.current.sluice
    const keys = redisKeys(redis.prefix)
    this.link = new RedisLink({ url: process.env['REDIS_URL'] ?? redis.url }, log)
    this.reaction = new Reaction({
      link: this.link,
      log,
      keys,
      worker,
      host,
      policy: () => this.policy,
      loadOf: (lane) => this.lanes.loadOf(lane),
      waiting: () => this.scheduler,
      now,
      dice,
    })
    this.warmup = new Warmup({
      link: this.link,
      keys,
      log,
      laneProvider: (source, provider) => this.policy?.laneProvider(source, provider) ?? provider,
      loadOf: (lane) => this.lanes.loadOf(lane),
      workers: () => this.lanes.workersSeen,
      reconsider: (source, leaves) => this.scheduler.reconsider(leaves, source),
      look: () => {
        this.lanes.reconfigure()
        this.scheduler.tryRooms()
      },
      now,
    })
    this.lanes = new Lanes<Candidate>({
      link: this.link,
      keys,
      log,
      worker,
      now,
      rulings: this.reaction.rulings,
      warmups: this.warmup,
      shares: {
        tenant: (tenant) => this.policy?.tenantWeight(tenant) ?? 1,
        stream: (stream) => this.policy?.streamShaping(stream)?.weight ?? 1,
        liking: (stream) => this.policy?.streamShaping(stream)?.liking ?? 50,
      },
      idle: (lane) => host.idle(lane),
      takeIdle: (lane) => host.takeIdle(lane),
      returnLease: (lease) => host.returnLease(lease),
    })
    this.ages = new Ages({
      policy: () => this.policy,
      takeParked: (isOver) => this.scheduler.takeParked(({ candidate }) => isOver(candidate)),
      wake: (hmail) => host.wake(hmail),
      now,
    })
    const bonds = new Bonds()
    const { lanes, breakers, ages, reaction, warmup } = this
    this.scheduler = new Scheduler({
      host,
      log,
      lanes,
      breakers,
      closures: [bonds, reaction.closure, warmup.closure],
      ages,
      me,
      now,
      dice,
    })
    const retry = new Retry({
      verdictOf: (attempt, evidence, over) => host.verdictOf(attempt, evidence, over),
      bonds,
      policy: () => this.policy,
      otherWay: (hmail, except) => this.scheduler.otherWay(hmail, except),
      now,
      dice,
    })
    host.scheduleRetry((refusal) => retry.plan(refusal))
    this.routing = new DocumentSubscription({
      link: this.link,
      key: keys.routing,
      channel: keys.routingChannel,
      log,
      take: (text) => this.use(routingSchema.parse(JSON.parse(text))),
    })
    new Parked({ room: this.scheduler, host, link: this.link, keys, log, worker, now }).start()
    this.configure(host.configuration.current)

    const judge = new RelayJudge({
      isRelay: (source) => this.policy?.relay(source) !== undefined,
      isFull: (attempt, evidence) => host.verdictOf(attempt, evidence, false).action === 'fewer_connections',
      failed: (source, why) => this.scheduler.relayFailed(source, why),
      worked: (source) => this.relayWorked(source),
    })
    host.judgeUndelivered((attempt, tries) => judge.undelivered(attempt, tries))
    host.onSettled((settlement) => {
      judge.settled(settlement)
      this.lanes.settled(settlement)
    })
    host.onIdle((lane) => this.lanes.connectionIdle(lane))
    host.configuration.onChange((configuration) => this.reconfigure(configuration))
  }

  /** The hook send_email: answers `next` once, or parks the mail. */
  sendEmail(next: Next, hmail: HMail): void {
    if (this.opened) this.scheduler.sendEmail(next, hmail)
    else void this.open().then(() => this.scheduler.sendEmail(next, hmail))
  }

  /** Connects, and waits a moment for the routing document. Only processes that deliver come here. Never rejects. */
  open(): Promise<void> {
    this.opening ??= (async () => {
      this.link.open()
      this.lanes.start()
      this.routing.start()
      this.reaction.start()
      this.warmup.start()
      this.scheduler.start()
      await Promise.all([this.routing, this.reaction, this.warmup].map((one) => one.ready(firstReadMs)))
      this.opened = true
    })()
    return this.opening
  }

  close(): void {
    this.scheduler.stop()
    this.ages.stop()
    this.routing.stop()
    this.reaction.stop()
    this.warmup.stop()
    this.lanes.stop()
    this.link.close()
  }

  private use(document: RoutingDocument): void {
    this.document = document
    this.policy?.chooser.swap(document)
    this.scheduler.weightsChanged()
    this.parts.log.notice(`routing document ${document.version} (${document.reason})`)
  }

  private configure(configuration: Configuration): void {
    this.policy = Policy.of(configuration)
    this.policy?.chooser.swap(this.document)
    this.breakers.keep(this.policy?.sources ?? new Set())
    this.reaction.usePolicy(this.policy)
    this.warmup.configure(configuration)
    this.scheduler.usePolicy(this.policy)
  }

  private reconfigure(configuration: Configuration): void {
    try {
      this.configure(configuration)
      this.lanes.reconfigure()
    } catch (thrown) {
      this.parts.log.error(`configuration refused, egress keeps the last good one: ${messageOf(thrown)}`)
    }
  }

  private relayWorked(source: string): void {
    if (!this.breakers.worked(source)) return
    this.parts.log.notice(`relay ${source} is open again`)
    this.scheduler.tryRooms()
  }
}
