// What the failure of one recipient rests on: why there was no way to go, else what our client saw, else what Haraka
// noted. Whoever settles the attempt and whoever decides about a retry read it here, so both go by the same.

import type { Evidence, RefusedRecipient } from '../contract'
import type { HarakaItem, HarakaMx, HarakaRecipient } from '../haraka'
import type { Attempts } from './attempts'
import { evidenceOfFailure, evidenceOfNoRoute } from './evidence'

export interface Failure {
  readonly recipients: readonly HarakaRecipient[]
  readonly mx?: HarakaMx | undefined
  /** The reason Haraka gives where there was no reply. */
  readonly said: string
}

/** Empty where no attempt is under way. */
export const refusedRecipients = (attempts: Attempts, hmail: HarakaItem, failure: Failure): RefusedRecipient[] => {
  const attempt = attempts.of(hmail)
  if (!attempt) return []
  const { noRoute, started } = attempt
  const evidenceFor = (recipient: HarakaRecipient): Evidence =>
    noRoute
      ? evidenceOfNoRoute(noRoute)
      : (attempts.sight(hmail, recipient.address) ??
        evidenceOfFailure(recipient, failure.mx, failure.said, started, Date.now()))
  return failure.recipients.map((recipient) => ({ address: recipient.address, evidence: evidenceFor(recipient) }))
}
