// What the receivers saw and said, one record per fact. Recipients are the unit that senders count; a message refused at
// MAIL has named no recipient yet and is a record of its own, and so is a connection refused before any message.

import type { Disruption, Stage } from '../behaviour/behaviour'

/**
 * delivered: the final 250 was written to the socket. deferred, bounced: a 4xx or 5xx was. unanswered: the recipient was
 * accepted at RCPT, but nobody was told how the message ended (either side broke off).
 */
export const verdicts = ['delivered', 'deferred', 'bounced', 'unanswered'] as const
export type Verdict = (typeof verdicts)[number]

interface Common {
  /** from 1, without gaps */
  readonly seq: number
  /** ms since 1970 */
  readonly at: number
  readonly provider: string
  /** MX host name */
  readonly mx: string
  readonly client_ip: string
  /** number of the connection in this lab, from 1 */
  readonly connection: number
}

interface Answer {
  readonly ehlo: string
  readonly stage: Stage
  /** 0 = no reply */
  readonly code: number
  readonly enhanced: string
  /** all lines with code, joined by a newline */
  readonly reply: string
  readonly verdict: Verdict
  /** the behaviour that decided; empty where the mail was simply accepted */
  readonly by: string
  /** protocol and cipher; empty = clear text */
  readonly tls: string
}

interface Mail {
  readonly mail_from: string
  /** number of the message on its connection, from 1 */
  readonly nth: number
}

export interface RecipientFact extends Common, Answer, Mail {
  readonly kind: 'recipient'
  readonly rcpt: string
  /** Message-ID header without angle brackets; empty before the message was seen */
  readonly message_id: string
  /** bytes; 0 before the message was seen */
  readonly size: number
}

/** MAIL was refused. */
export interface MessageFact extends Common, Answer, Mail {
  readonly kind: 'message'
}

export interface ConnectionFact extends Common {
  readonly kind: 'connection'
  readonly what: 'opened' | 'closed'
  /** closed only: what ended it */
  readonly reason: CloseReason | ''
  /** closed only: messages begun on it */
  readonly messages: number
}

/** Refused at the banner, at EHLO or at STARTTLS. */
export interface RefusalFact extends Common, Answer {
  readonly kind: 'refusal'
}

export type CloseReason = 'quit' | 'client' | 'refused' | 'timeout' | 'stopped' | 'fault' | Disruption

export type Fact = RecipientFact | MessageFact | ConnectionFact | RefusalFact

type Unnumbered<T> = T extends Fact ? Omit<T, 'seq' | 'at'> : never
/** A fact before the truth has numbered and dated it. */
export type NewFact = Unnumbered<Fact>

export const verdictOf = (code: number): Verdict => {
  if (code >= 200 && code < 300) return 'delivered'
  if (code >= 400 && code < 500) return 'deferred'
  return code >= 500 ? 'bounced' : 'unanswered'
}
