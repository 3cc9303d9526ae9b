// Automatic actions as they stand in Redis: the log (a hash, id -> JSON of a LaneAction), and beside it the undos (a
// hash, id -> JSON of who, when and why). Workers write the log and rewrite a record while it is confirmed; an undo is
// written once with HSETNX and its id told on the undo channel, so no rewrite can lose it: the record as people see it
// is both together (`withUndo`). What Redis holds is never trusted: what does not parse is refused with a code.

import { z } from 'zod'

import { messageOf, SluiceError } from '../errors'
import { actionKinds, type LaneAction } from './action'
import { scopeKinds } from './scope'

/** ms since 1970 */
const moment = z.number().min(0).max(Number.MAX_SAFE_INTEGER)

const scope = z.object({ kind: z.enum(scopeKinds), name: z.string().max(512), provider: z.string().max(255) })

export const undoSchema = z.object({ at: moment, by: z.string().max(255), reason: z.string().max(1024) })
/** Who undid an action, when (ms since 1970) and why. */
export type Undo = NonNullable<LaneAction['undone']>

export const actionSchema = z.object({
  id: z.string().min(1).max(255),
  kind: z.enum(actionKinds),
  rule: z.string().max(128),
  scope,
  reason: z.string().max(1024),
  evidence: z.array(z.string().max(64)).max(20),
  count: z.int().min(1),
  since: moment,
  until: moment,
})

/** How long a record is kept after it has ended, ms; at least the hour in which the limit of closings counts. */
export const actionKeptMs = 7 * 86_400_000

/** Records kept at most; those that ended first are forgotten first. */
export const mostActions = 20_000

/** @throws SluiceError SLUICE_REDIS_CONTENT */
export const parseAction = (text: string): LaneAction => parse(text, actionSchema, 'an action')

/** @throws SluiceError SLUICE_REDIS_CONTENT */
export const parseUndo = (text: string): Undo => parse(text, undoSchema, 'an undo')

/** For Redis; an undo stands beside the record, not in it. */
export const sayAction = ({ undone: _beside, ...action }: LaneAction): string => JSON.stringify(action)

export const withUndo = (action: LaneAction, undone: Undo | undefined): LaneAction =>
  undone ? { ...action, undone } : action

const parse = <T>(text: string, schema: z.ZodType<T>, what: string): T => {
  try {
    return schema.parse(JSON.parse(text))
  } catch (thrown) {
    throw new SluiceError('SLUICE_REDIS_CONTENT', `${what}: ${messageOf(thrown)}`, { cause: thrown })
  }
}
