// A routing document on its way in and out of Redis or a file: text on the one side, checked on the other.

import { SluiceError } from '@sluice/core/errors'
import { routingSchema, type RoutingDocument } from '@sluice/core/routing/table'

/** Before anything was published. Its version is never published. */
export const nothingPublished: RoutingDocument = {
  version: 0,
  at: 0,
  by: '',
  reason: '',
  pools: {},
  overrides: [],
  suspensions: [],
}

const longestShown = 5

/** @throws SluiceError SLUICE_REDIS_CONTENT saying what is wrong with it */
export const parseDocument = (text: string): RoutingDocument => {
  let plain: unknown
  try {
    plain = JSON.parse(text)
  } catch (cause) {
    throw new SluiceError('SLUICE_REDIS_CONTENT', 'the routing document is not JSON', { cause })
  }
  const checked = routingSchema.safeParse(plain)
  if (checked.success) return checked.data
  const issues = checked.error.issues.slice(0, longestShown).map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new SluiceError('SLUICE_REDIS_CONTENT', `the routing document is not valid: ${issues.join('; ')}`)
}
