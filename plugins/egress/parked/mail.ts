// A mail that waits, as operators see it: read from its queue item and tag when asked for, so that waiting costs
// nothing more.

import type { ParkedMail } from '@sluice/core/parked/exchange'
import type { ParkedTraits } from '@sluice/core/parked/filter'
import { tagOf } from '@sluice/core/stream/tag'

import type { Candidate } from '../candidate'

export interface Waiting {
  readonly candidate: Candidate
  /** Of the lane it waits in; empty where every source is closed to it. */
  readonly source: string
  /** What its lane waits for, or why no source is open. */
  readonly reason: string
}

const longest = 255

export const traitsOf = ({ candidate, source }: Waiting): ParkedTraits => {
  const { hmail, stream, destination } = candidate
  const tag = tagOf(hmail.todo.notes)
  return {
    source,
    provider: (destination?.provider ?? '').slice(0, longest),
    stream,
    tenant: (tag?.tenant ?? '').slice(0, longest),
    campaign: (tag?.campaign ?? '').slice(0, longest),
    domain: candidate.domain.toLowerCase().slice(0, longest),
    queue_id: hmail.todo.uuid.slice(0, longest),
  }
}

export const mailOf = (waiting: Waiting): ParkedMail => {
  const { hmail } = waiting.candidate
  return {
    ...traitsOf(waiting),
    message_id: (tagOf(hmail.todo.notes)?.message_id ?? hmail.todo.uuid).slice(0, longest),
    recipients: hmail.todo.rcpt_to.length,
    queued_at: hmail.todo.queue_time,
    attempts: hmail.num_failures,
    reason: waiting.reason,
  }
}
