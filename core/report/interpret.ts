// The one door: a mail in, a report out. Pure. Order: feedback reports, aggregate reports, bounces, auto-replies, the
// rest is ordinary mail.

import type { RuleSet } from '../bounce/ruleset'
import { readArf } from './arf'
import { readDelivery } from './delivery'
import { aggregateKind, isAutoReply, isBounce, proseText } from './kind'
import type { Mail } from './mail'
import { originalAt, originalHeaders, originalOf } from './original'
import type { Report } from './report'

/** @throws SluiceError SLUICE_REPORT_LIMIT where the report names too many recipients */
export const interpret = (mail: Mail, rules: RuleSet): Report => {
  const feedback = readArf(mail)
  if (feedback) return feedback
  const aggregate = aggregateKind(mail)
  if (aggregate) return { kind: aggregate }
  const text = proseText(mail)
  const end = originalAt(text)
  if (isBounce(mail, text, end)) return readDelivery(mail, text, end, rules)
  if (isAutoReply(mail, text)) return { kind: 'autoreply', original: originalOf(originalHeaders(mail, '')) }
  return { kind: 'other' }
}
