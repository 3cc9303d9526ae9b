// One lane (source x provider) as one worker sees it: the leases it holds, and the mails that wait, tenants and streams
// taking turns. A message takes what the ruling in force demands, all of it from the admission script in one question
// for all that wait: a lease where a connection must be opened, tokens of the rates, the warm-up allowance. Where there
// are no rates, an idle connection or a lease that comes free costs no question at all.
//
// A lane that was refused is not asked again until something has changed: the time that the answer named has passed (one
// timer), a lease was given back somewhere, the ruling or Redis' presence changed. Where mails of another worker wait,
// leases it can claim are given up as they come free (rivals.ts).

import type { Lease } from 'haraka-plugin-sluice-host'

import { Turn } from '../turn'
import type { Admission } from './admission'
import { Allowance } from './allowance'
import { LaneConnections, type IdleConnections } from './connections'
import { LaneQueue, type LaneShares } from './queue'
import { Renewals } from './renewals'
import { Rivals, type Holdings } from './rivals'
import { LaneRules, type Rule } from './rules'
import type { LaneLoad, LaneName, Rulings, Warmups } from './ruling'
import type { Admitted, LeaseOwner, Waiting } from './waiting'

export interface LaneParts extends IdleConnections {
  readonly admission: Admission
  readonly rulings: Rulings
  readonly warmups?: Warmups | undefined
  readonly shares: LaneShares
  readonly newLeaseId: () => string
  /** ms since 1970 */
  readonly now: () => number
}

/** Asked for in one question at most. */
const batch = 64
/** ms between the expiry of a lease and the question whether it is free. */
const expiryGraceMs = 5
/** ms between two questions that only bring the load up to date. */
const loadEveryMs = 1000

export class Lane<W extends Waiting = Waiting> implements LeaseOwner {
  private readonly connections: LaneConnections
  private readonly queue: LaneQueue<W>
  private readonly rules: LaneRules
  private readonly allowance: Allowance
  private readonly renewals: Renewals
  private readonly rivals = new Rivals()
  private readonly turn: Turn
  private asking = false
  /** What the last answer refused. */
  private refused: 'nothing' | 'connections' | 'messages' = 'nothing'
  /** How often room was made: an answer that is older than the last time does not mean that the lane is full. */
  private changes = 0
  private known = { open: 0, minute: 0 }
  private accepted = 0
  private askedAt = -Infinity

  constructor(
    readonly name: LaneName,
    private readonly parts: LaneParts,
  ) {
    const { rulings, warmups, shares, admission, now } = parts
    this.connections = new LaneConnections(name.key, parts, this)
    this.queue = new LaneQueue(shares)
    this.rules = new LaneRules(name, rulings, warmups, now)
    this.allowance = new Allowance(name, admission, warmups, now)
    this.renewals = new Renewals(name, admission, (sharers) => this.rules.divided(this.rule(), sharers))
    this.turn = new Turn(now, () => this.mayHaveRoom())
  }

  get heldIds(): Iterable<string> {
    return this.connections.ids
  }

  get waiting(): number {
    return this.queue.size
  }

  /** Nobody would miss it. */
  get unused(): boolean {
    return this.connections.size === 0 && this.queue.size === 0 && !this.asking && this.renewals.pending === 0
  }

  get load(): LaneLoad {
    const open = Math.max(this.known.open, this.connections.size)
    return { open, minute: this.known.minute + this.accepted, busy: this.queue.size > 0 }
  }

  /** Connections that all lanes of the provider may have; 0 = no cap. */
  get totalCap(): number {
    return this.rule().ruling.limits.total.connection_limit ?? 0
  }

  /** What its mails wait for, as a word for people. */
  get waitsFor(): string {
    const { phase, connections } = this.rule().ruling.view
    if (connections === 0) return phase === 'closed' ? 'lane_closed' : 'lane_paused'
    if (this.refused === 'messages') return 'lane_rate'
    return phase === 'open' ? 'lane' : `lane_${phase}`
  }

  /** The waiting mails; nothing may change while they are read. */
  [Symbol.iterator](): Iterator<W> {
    return this.queue[Symbol.iterator]()
  }

  /** The mail gets a lease now, or soon, or is parked until there is one. */
  admit(waiting: W): void {
    this.queue.put(waiting)
    this.serve()
  }

  /** Something changed that may have made room, or taken some. */
  mayHaveRoom(): void {
    this.refused = 'nothing'
    this.changes++
    this.connectionIdle()
  }

  /** One of the lane's connections may be idle; whether others have room for us is as unknown as before. */
  connectionIdle(): void {
    const rule = this.rule()
    this.payIdle(rule)
    this.narrow(rule)
    if (this.queue.size > 0) this.serve()
  }

  /** A lease was given back somewhere. */
  givenBack(): void {
    if (this.refused !== 'messages' && !this.rivals.yielding(performance.now())) this.mayHaveRoom()
  }

  /** Somebody could not get `missing` leases, for want of room in the lane or at the provider. */
  wanted(by: string, missing: number, of: 'lane' | 'total'): void {
    const rule = this.rule()
    this.rivals.claimed(by, missing, of, this.holdings(rule), performance.now())
    this.payIdle(rule)
  }

  /** Messages that the receiver has taken. */
  messagesAccepted(count: number): void {
    this.accepted += count
    if (!this.asking && performance.now() - this.askedAt >= loadEveryMs) void this.ask(this.rule(), 0, 0)
  }

  /** Takes the waiting mails out that `leaves` names; the others keep their order. */
  remove(leaves: (waiting: W) => boolean): W[] {
    return this.queue.remove(leaves)
  }

  close(): void {
    this.turn.cancel()
  }

  mailDue(admitted: Admitted | undefined): Promise<void> | undefined {
    return this.renewals.due(this.rule().rules, admitted)?.then(() => this.serve())
  }

  freed(id: string, unsent: Admitted | undefined): void {
    const rule = this.rule()
    const { rules } = rule
    const going = this.connections.closed(id)
    const yields = going === 'owed' || (!going && this.rivals.pay(this.holdings(rule), performance.now()))
    const fits = rules.paces.length === 0 && !rule.warmup && this.connections.size <= rules.lane_cap
    if (!going && !yields && fits && this.queue.size > 0) {
      this.grant(this.connections.hold(id), rule)
      return
    }
    this.giveBack(id, rule, unsent)
    if (yields && this.queue.size > 0) this.refuse('connections', this.rivals.yieldNow(performance.now()))
    else if (this.refused === 'connections') this.refused = 'nothing'
    this.serve()
  }

  private serve(): void {
    if (this.queue.size === 0) return
    const rule = this.rule()
    const { lane_cap: cap } = rule.rules
    const { until } = rule.ruling.view
    if (cap === 0 && until !== undefined) this.turn.arm(until)
    if (cap > 0 && !rule.metered) this.useIdle(rule)
    if (this.asking || this.renewals.pending > 0) return
    const most = cap === 0 ? 0 : rule.warmup ? 1 : Math.min(this.queue.size, batch)
    const messages = rule.metered && this.refused !== 'messages' ? Math.min(most, this.connections.idle) : 0
    const room = this.refused === 'nothing' ? cap - this.connections.size : 0
    const leases = Math.max(0, Math.min(most - messages, room))
    if (messages + leases > 0) void this.ask(rule, messages, leases)
    else this.queue.parkFresh()
  }

  private useIdle(rule: Rule): void {
    while (this.queue.size > 0) {
      const idle = this.connections.takeIdle()
      if (!idle) return
      this.grant(idle, rule)
    }
  }

  private async ask(rule: Rule, messages: number, leases: number): Promise<void> {
    this.asking = true
    const { changes, accepted } = this
    const admitted = { at: performance.now(), warmup: rule.warmup }
    const hadNone = this.connections.size === 0
    const tell = leases > 0 && this.rivals.mayTell(leases, admitted.at)
    const ids = Array.from({ length: leases }, this.parts.newLeaseId)
    this.askedAt = admitted.at
    this.accepted = 0

    const rules = (sharers: number) => (sharers === rule.sharers ? rule.rules : this.rules.divided(rule, sharers))
    const order = { lane: this.name, rules, ids, messages, accepted, tell }
    const answer = await this.allowance.admit(order, rule.warmup)

    this.asking = false
    const { granted } = answer
    this.known = { open: answer.open, minute: answer.minute }
    if (leases > 0) this.rivals.answered(tell, answer.noRoom ? leases - granted : 0, granted, admitted.at)
    if (hadNone && granted > 0) this.rivals.turnBegins(admitted.at)
    const fresh = ids.slice(0, granted).map((id) => this.connections.hold(id))
    for (let n = 0; n < answer.messages && this.queue.size > 0; n++) {
      const idle = this.connections.takeIdle()
      if (idle) this.send(idle, admitted, rule)
    }
    // Those who waited may have been served meanwhile: what is left over goes back.
    for (const lease of fresh) this.send(lease, admitted, rule)

    const byRates = !answer.noRoom && rule.rules.paces.every(({ unit }) => unit === 'message')
    if (answer.messages < messages || (granted < leases && byRates)) this.refuse('messages', answer.waitMs)
    else if (granted < leases && changes === this.changes) this.refuse('connections', answer.waitMs + expiryGraceMs)
    this.allowance.tell(rule.warmup, answer)
    this.serve()
  }

  private send(lease: Lease, admitted: Admitted, rule: Rule): void {
    this.connections.admit(lease, admitted)
    if (this.queue.size > 0) this.grant(lease, rule)
    else this.connections.giveUp(lease)
  }

  /** A lane that is being warmed up, or is coming back, is fed with what receivers like best. */
  private grant(lease: Lease, { warmup, ruling }: Rule): void {
    const liked = warmup !== undefined || ruling.view.phase === 'half_open'
    const next = liked ? this.queue.takeBestLiked() : this.queue.take()
    if (next) next.grant(lease)
    else this.connections.giveUp(lease)
  }

  private refuse(what: 'connections' | 'messages', ms: number): void {
    this.refused = what
    this.turn.arm(Math.min(this.turn.at, this.parts.now() + ms))
  }

  private giveBack(id: string, { rules }: Rule, unsent: Admitted | undefined): void {
    this.connections.forget(id)
    this.changes++
    const { lane_cap: cap, total_cap: totalCap = 0 } = rules
    const unsentDay = this.allowance.unsent(unsent)
    this.parts.admission.release({ lane: this.name, id, cap, totalCap, unsentDay })
  }

  /** Ends idle connections for the leases that are owed. */
  private payIdle(rule: Rule): void {
    const now = performance.now()
    while (this.rivals.owes(this.holdings(rule), now) > 0 && this.connections.endIdle('owed')) {
      this.rivals.pay(this.holdings(rule), now)
    }
  }

  /** Ends idle connections beyond the cap. A lane that takes breath keeps them: it is soon over. */
  private narrow({ rules, ruling }: Rule): void {
    if (ruling.view.connections === 0 && ruling.view.phase !== 'closed') return
    while (this.connections.staying > rules.lane_cap && this.connections.endIdle('surplus'));
  }

  private holdings({ rules, ruling }: Rule): Holdings {
    return {
      held: this.connections.staying,
      limit: rules.lane_cap,
      total: ruling.limits.total.connection_limit ?? 0,
      busy: this.queue.size > 0,
    }
  }

  /** What holds for the mail that is next. */
  private rule(): Rule {
    const { admission, warmups } = this.parts
    const rule = this.rules.of(admission.sharers, warmups && this.queue.nextStream())
    return rule.warmup ? this.rules.of(admission.sharers, this.queue.bestLikedStream()) : rule
  }
}
