// What a report says about recipients, as outcomes without a message yet. What is no outcome (an answer by a machine, a
// delivery, an authentication report) makes none.

import type { Verdict } from '../bounce/verdict'
import type { OutcomeKind } from '../outcome/record'
import type { DsnRecipient, Report } from '../report/report'

export interface Finding {
  readonly kind: Extract<OutcomeKind, 'oob_bounced' | 'deferred' | 'complained' | 'unsubscribed'>
  /** As the report spells it; empty where it does not say. */
  readonly recipient: string
  /** The reporting or refusing host. */
  readonly mx_host: string
  readonly code: number
  readonly enhanced: string
  readonly reply: string
  /** A complaint is no refusal and has no class. */
  readonly verdict: Pick<Verdict, 'blame' | 'rule'> & Partial<Pick<Verdict, 'class'>>
}

export const findingsOf = (report: Report): Finding[] => {
  if (report.kind === 'dsn') {
    return report.recipients.flatMap((recipient) => {
      const kind = kindOf(recipient)
      return kind ? [dsnFinding(kind, recipient, report.reporting_mta)] : []
    })
  }
  if (report.kind !== 'arf' || !report.complaint) return []
  const leaves = report.feedback_type === 'opt-out' || report.feedback_type === 'opt-out-list'
  const said = (recipient: string): Finding => ({
    kind: leaves ? 'unsubscribed' : 'complained',
    recipient,
    mx_host: '',
    code: 0,
    enhanced: '',
    reply: `${report.feedback_type || 'abuse'} report by ${report.user_agent || 'an unnamed agent'}`,
    verdict: { blame: 'stream', rule: `report/${report.feedback_type || 'abuse'}` },
  })
  return report.recipients.length > 0 ? report.recipients.map(said) : [said('')]
}

/** Relayed, expanded and delivered are good news that nobody acts on. */
const kindOf = ({ action }: DsnRecipient): 'oob_bounced' | 'deferred' | undefined =>
  action === 'failed' ? 'oob_bounced' : action === 'delayed' ? 'deferred' : undefined

const dsnFinding = (kind: Finding['kind'], one: DsnRecipient, reporter: string): Finding => ({
  kind,
  recipient: one.recipient,
  mx_host: one.remote_mta || reporter,
  code: one.code,
  enhanced: one.status,
  reply: one.text,
  verdict: one.verdict,
})
