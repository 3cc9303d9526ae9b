// Every mail that comes out of Haraka's queue goes through
//
//   arrive   destination of its domain (MX, cached): provider and hosts, or no way at all
//   choose   pool and source, by weight, among the sources that are not closed
//   wait     in the lane of source and provider for a lease, or in a closed room; parked as soon as that takes time
//   depart   route made, lease handed over, Haraka goes on
//
// The choice is not bent by load: a full lane parks the mail, it does not spill to another source. When weights
// change, mails that wait are drawn again, so that what leaves always follows the weights in force. An unexpected
// fault defers the mail: it is never sent by accident and never lost.

import { messageOf } from '@sluice/core/errors'
import type { MoveTarget } from '@sluice/core/parked/exchange'
import type { Host, HMail, Lease, NoRoute } from 'haraka-plugin-sluice-host'

import { Candidate, type CandidateOwner, type Next } from './candidate'
import { ClosedRooms } from './closed-rooms'
import { allClosed, nextOpening, nothingClosed, type Closure } from './closure'
import { Departure } from './departure'
import { Destinations, isNoRoute, type Destination } from './destination'
import { Granted } from './granted'
import type { Lanes } from './lane/lanes'
import type { Waiting } from './parked/mail'
import { Moves, type MoveRefusal } from './parked/moves'
import type { WaitingRoom } from './parked/parked'
import { whyClosed } from './parked/why'
import type { Policy } from './policy'
import type { LinkLog } from './redis/link'
import type { Breakers } from './relay/breakers'
import type { Ages } from './retry/ages'
import { Turn } from './turn'

export interface SchedulerParts {
  readonly host: Host
  readonly log: LinkLog
  readonly lanes: Lanes<Candidate>
  readonly breakers: Breakers
  /** Whatever closes sources, beside the breakers. */
  readonly closures?: readonly Closure[]
  readonly ages?: Pick<Ages, 'waits' | 'whyNot'>
  /** EHLO name where a relay has none of its own. */
  readonly me: string
  /** ms since 1970 */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly dice: () => number
}

/** haraka-constants.delay, and seconds: the last resort where not even a deferral can be told. */
const delay = 908
const delaySeconds = 30

export class Scheduler implements CandidateOwner, WaitingRoom {
  private policy: Policy | undefined
  private destinations: Destinations | undefined
  private readonly rooms = new ClosedRooms()
  private readonly onTheirWay: Granted
  private readonly turn: Turn
  private readonly moves = new Moves()
  private readonly closures: readonly Closure[]
  private readonly departure: Departure

  constructor(private readonly parts: SchedulerParts) {
    this.closures = [this.moves, parts.breakers, ...(parts.closures ?? [])]
    const { closures } = this
    const { host, me, now, dice } = parts
    const relayFailed = (source: string, why: string) => this.relayFailed(source, why)
    this.departure = new Departure({ host, closures, relayFailed, me, now, dice })
    this.onTheirWay = new Granted(parts.now, (lease) => parts.host.returnLease(lease))
    this.turn = new Turn(parts.now, () => this.weightsChanged())
  }

  /** Mails that wait, parked, for a source or a lease. */
  get waiting(): number {
    let waiting = this.rooms.size
    for (const lane of this.parts.lanes.crowded()) waiting += lane.waiting
    return waiting
  }

  start(): void {
    this.onTheirWay.start()
  }

  stop(): void {
    this.turn.cancel()
    this.onTheirWay.stop()
  }

  /** Everything that waits begins anew under the new policy; undefined = Sluice does not steer any more. */
  usePolicy(policy: Policy | undefined): void {
    this.policy = policy
    this.destinations = policy && new Destinations(policy.catalogue)
    this.moves.usePolicy(policy)
    this.departure.usePolicy(policy, this.destinations)
    const waiting = [...this.parts.lanes.crowded()].flatMap((lane) => lane.remove(() => true))
    for (const candidate of [...waiting, ...this.rooms.drain()]) this.again(candidate)
  }

  /** Weights are not what they were: draws again for those whose lottery has changed, and tries the closed rooms. */
  weightsChanged(): void {
    const { chooser } = this.policy ?? {}
    if (!chooser) return
    const now = this.parts.now()
    this.redraw(
      ({ choice, destination }) => !choice || !destination || !chooser.stands(choice, destination.provider, now),
    )
    this.tryRooms()
  }

  /** A source is closed, to one provider or to all: those who wait for it choose again. */
  sourceClosed(source: string, provider?: string): void {
    this.redraw(
      ({ choice, destination }) =>
        choice?.source === source && (provider === undefined || destination?.provider === provider),
    )
    this.armTurn()
  }

  /** Those who wait for a lane (of that source, where one is named) and whom `leaves` names choose again. */
  reconsider(leaves: (candidate: Candidate) => boolean, source?: string): void {
    this.redraw(leaves, source)
    this.armTurn()
  }

  /** A source may be open again. */
  tryRooms(): void {
    this.rooms.retry(
      (candidate) => this.tryChoose(candidate),
      (candidate) => this.heldBy(candidate),
    )
    this.armTurn()
  }

  /** Mails that are parked, as operators see them: in lanes, then those for which no source is open. */
  *listParked(): Iterable<Waiting> {
    for (const lane of this.parts.lanes.crowded()) {
      const { name, waitsFor: reason } = lane
      for (const candidate of lane) if (candidate.isParked) yield { candidate, source: name.source, reason }
    }
    for (const room of this.rooms) {
      let reason: string | undefined
      for (const candidate of room) yield { candidate, source: '', reason: (reason ??= this.whyClosed(candidate)) }
    }
  }

  /** Takes parked mails out: they are the caller's to bring back or to end. */
  takeParked(leaves: (waiting: Waiting) => boolean): Candidate[] {
    const taken = [...this.parts.lanes.crowded()].map((lane) => {
      const { source } = lane.name
      return lane.remove((candidate) => candidate.isParked && leaves({ candidate, source, reason: '' }))
    })
    return [...taken, this.rooms.remove((candidate) => leaves({ candidate, source: '', reason: '' }))].flat()
  }

  /** Chooses anew for mails taken out, and looks for room for all that wait. */
  bringBack(candidates: readonly Candidate[]): void {
    for (const candidate of candidates) this.choose(candidate)
    for (const lane of [...this.parts.lanes.crowded()]) lane.mayHaveRoom()
  }

  move(candidate: Candidate, to: MoveTarget): MoveRefusal | undefined {
    return this.moves.move(candidate, to)
  }

  /** The hook send_email: answers `next` once, or parks the mail. */
  sendEmail(next: Next, hmail: HMail): void {
    const grant = this.onTheirWay.take(hmail)
    if (grant) {
      grant.candidate.resume(next)
      void this.depart(grant.candidate, grant.lease)
    } else {
      void this.arrive(new Candidate(this, hmail, next))
    }
  }

  granted(candidate: Candidate, lease: Lease): void {
    if (candidate.isParked) {
      this.onTheirWay.add(candidate, lease)
      this.parts.host.wake(candidate.hmail)
    } else {
      void this.depart(candidate, lease)
    }
  }

  parked(candidate: Candidate): void {
    this.parts.host.park(candidate.hmail)
    this.parts.ages?.waits(candidate)
  }

  private async arrive(candidate: Candidate): Promise<void> {
    const { host, ages } = this.parts
    const { dns } = host
    try {
      const over = ages?.whyNot(candidate.hmail)
      if (over) {
        this.refuse(candidate, over)
        return
      }
      const answer = dns.cachedMx(candidate.domain) ?? (await dns.lookupMx(candidate.domain))
      const { policy, destinations } = this
      if (!policy || !destinations) {
        candidate.proceed()
        return
      }
      const destination = destinations.of(candidate.domain, answer)
      if (isNoRoute(destination)) {
        this.refuse(candidate, destination)
        return
      }
      candidate.destination = destination
      candidate.stream = policy.streamOf(candidate.hmail)
      candidate.bound = this.closures.map((closure) => closure.wordOf?.(candidate.hmail) ?? '').join('')
      const pools = this.poolsOf(policy, candidate)
      if (policy.canReach(pools, destination.families)) this.choose(candidate)
      else this.refuse(candidate, destination.fault ?? unreachable(candidate.domain, pools))
    } catch (thrown) {
      this.fault(candidate, thrown)
    }
  }

  private choose(candidate: Candidate): void {
    if (this.tryChoose(candidate)) return
    this.rooms.add(candidate, this.heldBy(candidate))
    candidate.park()
    this.armTurn()
  }

  /** Draws a source and joins its lane; false where every source is closed. */
  private tryChoose(candidate: Candidate): boolean {
    const { policy, parts } = this
    const { destination } = candidate
    if (!policy || !destination) return false
    const choice = this.draw(candidate, policy, destination)
    if (policy.chooser.until < this.turn.at) this.armTurn()
    if (!choice) return false
    candidate.choice = choice
    const now = parts.now()
    for (const closure of this.closures) closure.chosen?.(choice.source, candidate, now)
    parts.lanes.admit(choice.source, policy.laneProvider(choice.source, destination.provider), candidate)
    return true
  }

  /** A source that is not in `except` and could take the mail if it came now; nothing is taken for it. */
  otherWay(hmail: HMail, except: ReadonlySet<string>): string | undefined {
    const { policy, destinations, parts } = this
    const candidate = new Candidate(this, hmail, undefined)
    const answer = parts.host.dns.cachedMx(candidate.domain)
    const destination = answer && destinations?.of(candidate.domain, answer)
    if (!policy || !destination || isNoRoute(destination)) return undefined
    candidate.destination = destination
    candidate.stream = policy.streamOf(hmail)
    return this.draw(candidate, policy, destination, except)?.source
  }

  private draw(candidate: Candidate, policy: Policy, { provider, families }: Destination, except = nothingClosed) {
    const now = this.parts.now()
    const pools = this.poolsOf(policy, candidate)
    const closed = allClosed(this.closures, candidate, now)
    if (closed === 'all') return undefined
    const shut = union(union(policy.unable(families), closed), except)
    return policy.chooser.choose(pools, provider, now, this.parts.dice(), shut)
  }

  /** Pools to try: those of the stream, or the one an operator has moved the mail to. */
  private poolsOf(policy: Policy, candidate: Candidate): readonly string[] {
    candidate.moved = this.moves.of(candidate.hmail)
    return candidate.moved ? [candidate.moved.pool] : policy.poolsOf(candidate.stream)
  }

  private whyClosed(candidate: Candidate): string {
    const { policy, closures } = this
    return policy ? whyClosed(candidate, this.poolsOf(policy, candidate), policy, closures, this.parts.now()) : ''
  }

  /** Hands the mail to Haraka with its route, or has it choose again where what it was granted for does not hold. */
  private async depart(candidate: Candidate, lease: Lease): Promise<void> {
    const { hmail } = candidate
    try {
      const route = await this.departure.routeOf(candidate, lease)
      if (!route) {
        this.parts.host.returnLease(lease)
        this.again(candidate)
        return
      }
      this.parts.host.begin(hmail).route = route
    } catch (thrown) {
      this.parts.host.returnLease(lease)
      this.fault(candidate, thrown)
      return
    }
    this.proceed(candidate)
  }

  /** A relay did not take a mail: it is closed until its back-off has passed. */
  relayFailed(source: string, why: string): void {
    const { breakers, now, dice, log } = this.parts
    if (breakers.failed(source, now(), dice())) log.error(`relay ${source} is closed: ${why}`)
    this.sourceClosed(source)
  }

  private heldBy(candidate: Candidate): string {
    const now = this.parts.now()
    return this.closures.map((closure) => closure.heldBy?.(candidate, now) ?? '').join('')
  }

  /** Begins anew: something has changed since the choice. */
  private again(candidate: Candidate): void {
    if (candidate.isParked) this.parts.host.wake(candidate.hmail)
    else void this.arrive(candidate)
  }

  private redraw(leaves: (candidate: Candidate) => boolean, source?: string): void {
    for (const lane of [...this.parts.lanes.crowded()]) {
      if (source !== undefined && lane.name.source !== source) continue
      for (const candidate of lane.remove(leaves)) this.choose(candidate)
    }
  }

  private armTurn(): void {
    const now = this.parts.now()
    const weights = this.policy?.chooser.until ?? Infinity
    let opening = Infinity
    for (const candidate of this.rooms.heads()) opening = Math.min(opening, nextOpening(this.closures, candidate, now))
    this.turn.arm(Math.min(weights, opening))
  }

  /** Haraka answers it with a bounce or a deferral. */
  private refuse(candidate: Candidate, reason: NoRoute): void {
    this.parts.host.begin(candidate.hmail).noRoute = reason
    this.proceed(candidate)
  }

  private fault(candidate: Candidate, thrown: unknown): void {
    this.parts.log.error(`SLUICE_INTERNAL: ${candidate.hmail.filename} is deferred: ${messageOf(thrown)}`)
    try {
      this.refuse(candidate, internalFault)
    } catch {
      candidate.proceed(delay, delaySeconds)
    }
  }

  /** What is thrown in here comes from behind our hook; the mail is Haraka's then. */
  private proceed(candidate: Candidate): void {
    try {
      candidate.proceed()
    } catch (thrown) {
      this.parts.log.error(`SLUICE_INTERNAL: after send_email of ${candidate.hmail.filename}: ${messageOf(thrown)}`)
    }
  }
}

const union = (a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> =>
  b.size === 0 ? a : a.size === 0 ? b : new Set([...a, ...b])

const unreachable = (domain: string, pools: readonly string[]): NoRoute => ({
  kind: 'unreachable',
  permanent: false,
  enhanced: '4.4.1',
  detail: `no source of ${pools.join(', ')} has an address of a family that the MX hosts of ${domain} have`,
})

const internalFault: NoRoute = {
  kind: 'unreachable',
  permanent: false,
  enhanced: '4.3.0',
  detail: 'internal fault of the scheduler',
}
