// Which of the mails that wait are meant. Every condition that is given must hold; a filter without conditions means
// all of them, and is refused where mail would be moved or ended unless the caller says `all`.

import { z } from 'zod'

const name = z.string().min(1).max(255)

export const parkedFilterFields = {
  source: name.optional().meta({ description: 'waits in a lane of this source' }),
  provider: name.optional().meta({ description: 'goes to this provider' }),
  stream: name.optional(),
  tenant: name.optional(),
  campaign: name.optional(),
  domain: name.optional().meta({ description: 'recipient domain' }),
  queue_id: name.optional().meta({ description: 'one queue file' }),
}
const filterSchema = z.strictObject(parkedFilterFields)
export type ParkedFilter = z.infer<typeof filterSchema>
export const parkedFilterSchema: z.ZodType<ParkedFilter> = filterSchema

/** What is known of a mail that waits. */
export interface ParkedTraits {
  /** Source of the lane it waits in; empty where every source is closed to it. */
  readonly source: string
  readonly provider: string
  readonly stream: string
  readonly tenant: string
  readonly campaign: string
  readonly domain: string
  readonly queue_id: string
}

export const isEmptyFilter = (filter: ParkedFilter): boolean =>
  Object.values(filter).every((condition) => condition === undefined)

export const matchesFilter = (traits: ParkedTraits, filter: ParkedFilter): boolean =>
  Object.entries(filter).every(([key, wanted]) => wanted === undefined || traits[key as keyof ParkedTraits] === wanted)
