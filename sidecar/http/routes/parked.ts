// Mail that waits at the workers: how much and why; try again now, send it another way, or end it.

import { z } from 'zod'

import {
  largestSample,
  moveTargetSchema,
  parkedGroupSchema,
  parkedMailSchema,
  type MoveTarget,
} from '@sluice/core/parked/exchange'
import { isEmptyFilter, parkedFilterFields, type ParkedFilter } from '@sluice/core/parked/filter'

import { askerOf } from '../asker'
import { RequestError } from '../problem'
import { route, type Call, type Route } from '../route'
import type { Services } from '../services'
import { changeFields } from '../shapes'
import { demandEgress } from './weights'

const incomplete = z.array(z.string()).meta({ description: 'workers that have not answered in time; empty = complete' })
const count = z.int().nonnegative()

const listAnswer = z.object({
  workers: count.meta({ description: 'workers that have answered' }),
  incomplete,
  waiting: count.meta({ description: 'mails that wait at them' }),
  matched: count.meta({ description: 'those the filter means' }),
  groups: z.array(parkedGroupSchema.meta({ id: 'ParkedGroup' })).meta({ description: 'the largest first' }),
  others: count.meta({ description: 'mails in groups that are not shown' }),
  mails: z.array(parkedMailSchema.meta({ id: 'ParkedMail' })).meta({ description: 'a sample, the oldest first' }),
})
const changeAnswer = z.object({
  workers: count,
  incomplete,
  matched: count,
  done: count,
  refused: z.record(z.string(), count).meta({ description: 'left as they were, by why' }),
})

const filter = z.strictObject(parkedFilterFields)
const selection = {
  filter: filter.default({}),
  all: z.boolean().default(false).meta({ description: 'true: without a filter, everything that waits is meant' }),
  ...changeFields,
}

/** @throws RequestError */
const demandFilter = ({ filter: given, all }: { filter: ParkedFilter; all: boolean }): void => {
  if (!isEmptyFilter(given) || all) return
  throw new RequestError('SLUICE_HTTP_BODY', [{ key: 'filter', message: 'is empty; say `all: true` if you mean it' }])
}

/** @throws RequestError naming the key that names nothing */
const checkMove = (services: Services, { pool, source }: MoveTarget): void => {
  const { pools, sources } = demandEgress(services)
  const complain = (key: string, message: string) => new RequestError('SLUICE_HTTP_BODY', [{ key, message }])
  if (pool !== undefined && !Object.hasOwn(pools, pool)) throw complain('to.pool', `no pool is named ${pool}`)
  if (source === undefined) return
  if (!Object.hasOwn(sources, source)) throw complain('to.source', `no source is named ${source}`)
  const among = pool === undefined ? Object.values(pools) : [pools[pool] ?? {}]
  if (among.some((one) => Object.hasOwn(one, source))) return
  throw complain('to.source', pool === undefined ? `no pool has the source ${source}` : `${source} is not in ${pool}`)
}

interface Selection {
  readonly filter: ParkedFilter
  readonly author: string
  readonly reason: string
}

/** Makes a change and leaves its trail. */
const change = (
  { trail, parked }: Services,
  call: Call<unknown, unknown, Selection>,
  question: Parameters<Services['parked']['ask']>[0],
  details: object = {},
): Promise<z.input<typeof changeAnswer>> => {
  const { filter: given } = call.body
  const asked = {
    action: question.verb,
    source: given.source,
    provider: given.provider,
    details: { filter: given, ...details },
  }
  return trail.make(
    askerOf(call, call.body),
    asked,
    async () => {
      const { workers, incomplete: unheard, matched, done, refused } = await parked.ask(question)
      return { workers, incomplete: unheard, matched, done, refused }
    },
    () => 0,
    (made) => made,
  )
}

export const parkedRoutes = (services: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/parked',
    scope: 'read',
    name: 'listParked',
    says: 'Mail that waits at the workers for a place in a lane or for a source to open: counts, and a sample',
    query: filter.extend({ sample: z.coerce.number().int().min(0).max(largestSample).default(20) }),
    answer: listAnswer,
    handle: async ({ query: { sample, ...given } }) => {
      const {
        done: _none,
        refused: _nobody,
        ...found
      } = await services.parked.ask({ verb: 'list', filter: given, sample })
      return found
    },
  }),
  route({
    method: 'post',
    path: '/v1/parked/flush',
    scope: 'steer',
    name: 'flushParked',
    says: 'Has waiting mail choose again and look for room at once; no limit is passed over',
    body: z.strictObject(selection),
    answer: changeAnswer,
    handle: (call) => change(services, call, { verb: 'flush', filter: call.body.filter }),
  }),
  route({
    method: 'post',
    path: '/v1/parked/move',
    scope: 'steer',
    name: 'moveParked',
    says: 'Sends waiting mail by another pool or source; limits and suspensions of that one hold',
    body: z.strictObject({ ...selection, to: moveTargetSchema }),
    answer: changeAnswer,
    handle: (call) => {
      const { body } = call
      demandFilter(body)
      checkMove(services, body.to)
      return change(services, call, { verb: 'move', filter: body.filter, to: body.to }, { to: body.to })
    },
  }),
  route({
    method: 'post',
    path: '/v1/parked/drop',
    scope: 'steer',
    name: 'dropParked',
    says: 'Ends waiting mail: nobody gets it; an outcome `dropped` is recorded for each recipient',
    body: z.strictObject({
      ...selection,
      bounce: z.boolean().meta({ description: 'whether the senders get a bounce message that says the reason' }),
    }),
    answer: changeAnswer,
    handle: (call) => {
      const { body } = call
      demandFilter(body)
      const { filter: given, bounce, reason } = body
      return change(services, call, { verb: 'drop', filter: given, bounce, reason }, { bounce })
    },
  }),
]
