// What an address of ours takes: a report come back to a signed return path, a report to one of the configured
// addresses, or nothing. A return path whose signature does not hold is refused by name of the fault: whoever sends
// there answers no message of ours, or answers one too late.

import type { FeedbackConfig } from '../config/feedback'
import { looksLikeReturnPath, verifyReturnPath } from '../identity/return-path'
import type { Keyring, TokenFault } from '../identity/token'

export type ReportRole = 'return_path' | 'bounce' | 'complaint' | 'report'

export type Addressee =
  | { readonly kind: 'takes'; readonly role: ReportRole }
  | { readonly kind: 'refuses'; readonly fault: TokenFault }
  | { readonly kind: 'stranger' }

const stranger: Addressee = { kind: 'stranger' }

/** @param now ms since 1970 */
export const addresseeOf = (config: FeedbackConfig, keys: Keyring, address: string, now: number): Addressee => {
  const lower = address.toLowerCase()
  const { bounce, complaint, report } = config.addresses
  if (bounce.includes(lower)) return { kind: 'takes', role: 'bounce' }
  if (complaint.includes(lower)) return { kind: 'takes', role: 'complaint' }
  if (report.includes(lower)) return { kind: 'takes', role: 'report' }

  const at = lower.lastIndexOf('@')
  const local = lower.slice(0, at)
  if (lower.slice(at + 1) !== config.return_path?.domain || !looksLikeReturnPath(local)) return stranger
  const verified = verifyReturnPath(keys, local, now, config.return_path.max_age_days)
  return verified.ok ? { kind: 'takes', role: 'return_path' } : { kind: 'refuses', fault: verified.fault }
}
