// Who asks for a change, and until when it is to hold, as the routes that change something read it.

import type { Asker } from '../changes/trail'
import { RequestError } from './problem'
import type { Call } from './route'
import { endOf } from './shapes'

export const askerOf = (
  { token, requestId }: Call<unknown, unknown, unknown>,
  { author, reason }: { readonly author: string; readonly reason: string },
): Asker => ({ author, reason, token: token?.name ?? '', request_id: requestId })

/** @throws RequestError where it has ended already */
export const futureEnd = (body: Parameters<typeof endOf>[0], now: number): number | undefined => {
  const until = endOf(body, now)
  if (until !== undefined && until <= now) {
    throw new RequestError('SLUICE_HTTP_BODY', [{ key: 'until', message: 'is in the past' }])
  }
  return until
}
