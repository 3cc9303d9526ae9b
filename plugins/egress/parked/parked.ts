// What operators ask of the mails that wait at this worker: how many and why, try again now, go another way, or end.
// Requests come on a channel in Redis and are answered on a list of their own. One that comes too late or that cannot
// be read does nothing. Nothing here gives a mail a place it would not get by itself.

import { setTimeout as after } from 'node:timers/promises'

import { messageOf } from '@sluice/core/errors'
import {
  answerKeptS,
  parkedRequestSchema,
  type ParkedAnswer,
  type ParkedGroup,
  type ParkedRequest,
} from '@sluice/core/parked/exchange'
import { matchesFilter } from '@sluice/core/parked/filter'
import { GroupCounter } from '@sluice/core/parked/groups'
import type { RedisKeys } from '@sluice/core/redis/keys'
import type { Host, HMail } from 'haraka-plugin-sluice-host'

import type { Candidate } from '../candidate'
import type { LinkLog, RedisLink } from '../redis/link'
import { mailOf, traitsOf, type Waiting } from './mail'
import type { MoveRefusal } from './moves'

/** Where mails wait, parked. */
export interface WaitingRoom {
  /** How many, with those that are about to be parked. */
  readonly waiting: number
  /** In the order in which they go, lane by lane. */
  listParked(): Iterable<Waiting>
  /** Takes parked mails out: they are the caller's to bring back or to end. */
  takeParked(leaves: (waiting: Waiting) => boolean): Candidate[]
  /** Chooses anew for mails taken out, and has their lanes look for room. */
  bringBack(candidates: readonly Candidate[]): void
  move(candidate: Candidate, to: Extract<ParkedRequest, { verb: 'move' }>['to']): MoveRefusal | undefined
}

export interface ParkedParts {
  readonly room: WaitingRoom
  readonly host: Pick<Host, 'dropParked'>
  readonly link: RedisLink
  readonly keys: RedisKeys
  readonly log: LinkLog
  readonly worker: string
  /** ms since 1970 */
  readonly now: () => number
}

/** Mails ended, and looked at, before anything else gets its turn. */
const dropsAtOnce = 200
const looksAtOnce = 2000
const tellAgainMs = 100

type Done = Pick<ParkedAnswer, 'matched' | 'done' | 'refused'>

export class Parked {
  constructor(private readonly parts: ParkedParts) {}

  start(): void {
    const { link, keys } = this.parts
    link.subscribe(keys.parkedChannel, (text) => void this.heard(text))
  }

  private async heard(text: string): Promise<void> {
    const { log } = this.parts
    try {
      const request = parkedRequestSchema.parse(JSON.parse(text))
      if (this.parts.now() > request.until) {
        log.error(`a request about parked mail came too late: ${request.verb}`)
        return
      }
      await this.tell(request.id, JSON.stringify(await this.answer(request)), request.until)
    } catch (thrown) {
      log.error(`SLUICE_REDIS_CONTENT: a request about parked mail: ${messageOf(thrown)}`)
    }
  }

  private async answer(request: ParkedRequest): Promise<ParkedAnswer> {
    const { worker, room } = this.parts
    const { waiting } = room
    const nothing = { worker, waiting, refused: {}, groups: [], others: 0, mails: [] }
    if (request.verb === 'list') return { ...nothing, ...(await this.list(request)) }
    const done = await this.act(request)
    this.parts.log.notice(`parked mail: ${request.verb}: ${done.done} of ${done.matched} that were meant`)
    return { ...nothing, ...done }
  }

  /** In lots: mail that is on its way does not wait until a hundred thousand have been looked at. */
  private async list({ filter, sample }: Extract<ParkedRequest, { verb: 'list' }>) {
    const groups = new GroupCounter()
    const mails: ParkedAnswer['mails'] = []
    let matched = 0
    let seen = 0
    for (const waiting of [...this.parts.room.listParked()]) {
      if (++seen % looksAtOnce === 0) await new Promise(setImmediate)
      const traits = traitsOf(waiting)
      if (!matchesFilter(traits, filter)) continue
      matched++
      groups.add(groupOf(traits, waiting))
      if (mails.length < sample) mails.push(mailOf(waiting))
    }
    return { matched, done: 0, mails, ...groups.result() }
  }

  private async act(request: Exclude<ParkedRequest, { verb: 'list' }>): Promise<Done> {
    const { room } = this.parts
    const taken = room.takeParked((waiting) => matchesFilter(traitsOf(waiting), request.filter))
    const matched = taken.length
    if (request.verb === 'drop') return { matched, done: await this.drop(taken, request), refused: {} }
    const refused: Record<string, number> = {}
    if (request.verb === 'move') {
      for (const candidate of taken) {
        const refusal = room.move(candidate, request.to)
        if (refusal) refused[refusal] = (refused[refusal] ?? 0) + 1
      }
    }
    room.bringBack(taken)
    return { matched, done: matched - Object.values(refused).reduce((sum, one) => sum + one, 0), refused }
  }

  /** In small lots: thousands of files or bounce messages at once would keep everything else waiting. */
  private async drop(taken: readonly Candidate[], request: DropRequest): Promise<number> {
    let done = 0
    for (let at = 0; at < taken.length; at += dropsAtOnce) {
      const lot = taken.slice(at, at + dropsAtOnce).map(({ hmail }) => this.dropOne(hmail, request))
      done += (await Promise.all(lot)).filter(Boolean).length
      await new Promise(setImmediate)
    }
    return done
  }

  private async dropOne(hmail: HMail, { bounce, reason }: DropRequest): Promise<boolean> {
    try {
      await this.parts.host.dropParked(hmail, { bounce, reason })
      return true
    } catch (thrown) {
      // It is out of every queue of this process; where its file is still there, a restart brings it back.
      this.parts.log.error(`SLUICE_INTERNAL: ${hmail.filename} is not dropped: ${messageOf(thrown)}`)
      return false
    }
  }

  /** A worker that has just done much may think for a moment that Redis is away: it tries until nobody waits. */
  private async tell(id: string, answer: string, until: number): Promise<void> {
    const { link, keys, log, now } = this.parts
    const key = keys.parkedAnswers(id)
    for (;;) {
      try {
        await link.run((redis) => redis.multi().rpush(key, answer).expire(key, answerKeptS).exec())
        return
      } catch (thrown) {
        if (now() > until) {
          log.error(`what was done with parked mail cannot be told: ${messageOf(thrown)}`)
          return
        }
      }
      await after(tellAgainMs)
    }
  }
}

type DropRequest = Extract<ParkedRequest, { verb: 'drop' }>

const groupOf = (traits: ReturnType<typeof traitsOf>, { candidate, reason }: Waiting): ParkedGroup => ({
  source: traits.source,
  provider: traits.provider,
  stream: traits.stream,
  tenant: traits.tenant,
  campaign: traits.campaign,
  reason,
  count: 1,
  oldest_at: candidate.hmail.todo.queue_time,
})
