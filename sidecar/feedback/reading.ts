// One file of the report spool, read: what it is, whom it may be about, and by what proof. Nothing outside is asked.

import { createHash } from 'node:crypto'

import type { RuleSet } from '@sluice/core/bounce/classify'
import type { FeedbackConfig } from '@sluice/core/config/feedback'
import { findingsOf, type Finding } from '@sluice/core/feedback/finding'
import { proofOfLink, proofsIn, type Proof } from '@sluice/core/feedback/proof'
import type { Keyring } from '@sluice/core/identity/token'
import { interpret } from '@sluice/core/report/interpret'
import type { Mail } from '@sluice/core/report/mail'
import { parseReportFile, type ReportEnvelope, type ReportFile } from '@sluice/core/spool/report-file'

import { readAggregateMail, type AggregateReport } from '../report/aggregate'
import { readMail } from '../report/mime'

/** What reports are counted by. */
export type ReportKind = 'dsn' | 'arf' | 'unsubscribe' | 'autoreply' | 'dmarc' | 'tlsrpt' | 'other' | 'unreadable'

export type Reading =
  | {
      readonly does: 'tell'
      readonly kind: ReportKind
      readonly envelope: ReportEnvelope
      readonly findings: readonly Finding[]
      readonly proofs: readonly Proof[]
      /** Message-ID header of the original, without angle brackets; empty where unknown. */
      readonly header_message_id: string
      /** The same each time the report is taken, also if it is delivered twice. */
      readonly digest: string
    }
  | {
      readonly does: 'aggregate'
      readonly kind: ReportKind
      readonly envelope: ReportEnvelope
      readonly report: AggregateReport
    }
  /** Nothing to do and nothing to keep. */
  | { readonly does: 'nothing'; readonly kind: ReportKind }
  /** Not understood; the original is kept. */
  | { readonly does: 'puzzle'; readonly kind: ReportKind; readonly reason: string }

export interface ReadingParts {
  readonly rules: RuleSet
  readonly keys: Keyring
  readonly config: FeedbackConfig
}

/** @throws SluiceError SLUICE_REPORT_LIMIT, SLUICE_REPORT_CONTENT */
export const readReport = async (content: Buffer, parts: ReadingParts): Promise<Reading> => {
  const file = parseReportFile(content)
  if (!file) return { does: 'puzzle', kind: 'unreadable', reason: 'not a file of the report spool' }
  const { envelope } = file
  if (envelope.unsubscribe) return unsubscribe(envelope, envelope.unsubscribe)
  const mail = readMail(file.message)
  const report = interpret(mail, parts.rules)
  if (report.kind === 'autoreply') return { does: 'nothing', kind: 'autoreply' }
  if (report.kind === 'other') return { does: 'puzzle', kind: 'other', reason: 'ordinary mail' }
  if (!('original' in report)) {
    return { does: 'aggregate', kind: report.kind, envelope, report: await readAggregateMail(mail) }
  }
  const findings = findingsOf(report)
  if (report.kind === 'dsn' && report.recipients.length === 0) {
    return { does: 'puzzle', kind: 'dsn', reason: 'a bounce that names nobody' }
  }
  if (findings.length === 0) return { does: 'nothing', kind: report.kind }
  const clues = { rcpt_to: envelope.rcpt_to, original: report.original }
  return {
    does: 'tell',
    kind: report.kind,
    envelope,
    findings,
    proofs: proofsIn(clues, parts.keys, parts.config, envelope.at),
    header_message_id: /<([^<>\s]{1,998})>/.exec(report.original.message_id)?.[1] ?? '',
    digest: digestOf(mail, file),
  }
}

const unsubscribe = (
  envelope: ReportEnvelope,
  { message_id, recipient }: NonNullable<ReportEnvelope['unsubscribe']>,
): Reading => ({
  does: 'tell',
  kind: 'unsubscribe',
  envelope,
  findings: [
    {
      kind: 'unsubscribed',
      recipient,
      mx_host: '',
      code: 0,
      enhanced: '',
      reply: 'one-click unsubscribe',
      verdict: { blame: 'stream', rule: 'report/one-click' },
    },
  ],
  proofs: [proofOfLink(message_id, recipient)],
  header_message_id: '',
  digest: '',
})

/** Trace fields differ where a report is delivered twice; its Message-ID and everything below the header do not. */
const digestOf = (mail: Mail, { message }: ReportFile): string => {
  const crlf = message.indexOf('\r\n\r\n')
  const body = message.subarray(crlf >= 0 ? crlf + 4 : message.indexOf('\n\n') + 2)
  return createHash('sha256')
    .update(`${mail.headers.get('message-id')}\0`)
    .update(body)
    .digest('hex')
}
