// What operators ask of the mails that wait at this worker: how many and why, try again now, go another way, or end.
// Requests come on a channel in Redis and are answered on a list of their own. One that comes too late or that cannot
// be read does nothing. Nothing here gives a mail a place it would not get by itself.

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

/** Mails ended before anything else gets its turn. */
const dropsAtOnce = 200

type Done = Pick<ParkedAnswer, 'matched' | 'done' | 'refused'>

export class Parked {
  constructor(private readonly parts: ParkedParts) {}

  start(): void {
    const { link, keys } = this.parts
    link.subscribe(keys.parkedChannel, (text) => void this.heard(text))
  }

  private async heard(text: string): Promise<void> {
    const { link, keys, log } = this.parts
    try {
      const request = parkedRequestSchema.parse(JSON.parse(text))
      if (this.parts.now() > request.until) {
        log.error(`a request about parked mail came too late: ${request.verb}`)
        return
      }
      const key = keys.parkedAnswers(request.id)
      const answer = JSON.stringify(await this.answer(request))
      link.send((redis) => redis.rpush(key, answer))
      link.send((redis) => redis.expire(key, answerKeptS))
    } catch (thrown) {
      log.error(`SLUICE_REDIS_CONTENT: a request about parked mail: ${messageOf(thrown)}`)
    }
  }

  private async answer(request: ParkedRequest): Promise<ParkedAnswer> {
    const { worker, room } = this.parts
    const { waiting } = room
    const nothing = { worker, waiting, refused: {}, groups: [], others: 0, mails: [] }
    if (request.verb === 'list') return { ...nothing, ...this.list(request) }
    const done = await this.act(request)
    this.parts.log.notice(`parked mail: ${request.verb}: ${done.done} of ${done.matched} that were meant`)
    return { ...nothing, ...done }
  }

  private list({ filter, sample }: Extract<ParkedRequest, { verb: 'list' }>) {
    const groups = new GroupCounter()
    const mails: ParkedAnswer['mails'] = []
    let matched = 0
    for (const waiting of this.parts.room.listParked()) {
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

  /** In small lots: thousands of bounce messages at once would keep everything else waiting. */
  private async drop(taken: readonly Candidate[], { bounce, reason }: DropRequest): Promise<number> {
    let done = 0
    for (const { hmail } of taken) {
      if (this.dropOne(hmail, bounce, reason)) done++
      if (done % dropsAtOnce === 0) await new Promise(setImmediate)
    }
    return done
  }

  private dropOne(hmail: HMail, bounce: boolean, reason: string): boolean {
    try {
      this.parts.host.dropParked(hmail, { bounce, reason })
      return true
    } catch (thrown) {
      // It is out of every queue of this process; its file is there, so a restart brings it back.
      this.parts.log.error(`SLUICE_INTERNAL: ${hmail.filename} is not dropped: ${messageOf(thrown)}`)
      return false
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
