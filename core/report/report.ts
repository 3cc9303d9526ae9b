// What a received report says. One shape for all makers; the sidecar turns it into outcome records.

import type { Verdict } from '../bounce/verdict'
import type { Headers } from './mail'

/** What the report says about one recipient. */
export interface DsnRecipient {
  /** The address the sender used: Original-Recipient, else Final-Recipient, else found in the text. */
  readonly recipient: string
  /** Final-Recipient, where it differs. */
  readonly final_recipient?: string
  readonly action: 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'
  /** Enhanced status code, from the field or the text; empty where none. */
  readonly status: string
  /** Reply code; 0 where none. */
  readonly code: number
  /** The text the verdict is based on. */
  readonly text: string
  readonly remote_mta: string
  readonly verdict: Verdict
}

/** The mail that the report is about, as far as the report carries it. */
export interface OriginalMail {
  readonly message_id: string
  readonly return_path: string
  readonly envelope_id: string
  readonly feedback_id: string
  readonly to: readonly string[]
  readonly headers: Headers
}

export interface DsnReport {
  readonly kind: 'dsn'
  readonly reporting_mta: string
  readonly recipients: readonly DsnRecipient[]
  readonly original: OriginalMail
}

export interface ArfReport {
  readonly kind: 'arf'
  /** Lower case: abuse, fraud, virus, not-spam, auth-failure, opt-out, other. */
  readonly feedback_type: string
  /** A recipient pressed the button: not so for `auth-failure`, `not-spam` and `dmarc`. */
  readonly complaint: boolean
  readonly user_agent: string
  /** Who complained; empty where redacted. */
  readonly recipients: readonly string[]
  readonly redacted: boolean
  readonly source_ip: string
  readonly original_mail_from: string
  readonly reported_domains: readonly string[]
  readonly arrival_date: string
  readonly auth_failure: string
  readonly original: OriginalMail
}

export interface AutoReply {
  readonly kind: 'autoreply'
  readonly original: OriginalMail
}

/** DMARC aggregate or TLS report: its attachment is read apart. */
export interface AggregateMail {
  readonly kind: 'dmarc' | 'tlsrpt'
}

export interface OrdinaryMail {
  readonly kind: 'other'
}

export type Report = DsnReport | ArfReport | AutoReply | AggregateMail | OrdinaryMail
