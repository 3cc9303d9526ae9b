// The verdict on a refusal: what it means, who is to blame, whether the address is gone, and what to do.
// Class names and their coarse blame follow one closed taxonomy; the fine blame is what decides which state moves:
// only `ip` and `netblock` move a source's weight, `recipient` moves suppression, `receiver` and `connection` nothing.

/** Closed set of classes. `delivered` is the class of a 2yz reply, `autoreply` that of a vacation notice. */
export const bounceClasses = [
  'invalid_recipient',
  'inactive_mailbox',
  'mailbox_full',
  'domain_not_found',
  'no_mx_or_host',
  'spam_content',
  'message_too_large',
  'ip_blocked',
  'domain_blocked',
  'rate_limited',
  'greylisted',
  'auth_failure',
  'relay_denied',
  'sender_rejected',
  'protocol_error',
  'tls_failure',
  'policy',
  'receiver_fault',
  'connection_failure',
  'routing_loop',
  'autoreply',
  'delivered',
  'other',
] as const
export type BounceClass = (typeof bounceClasses)[number]

export const blames = [
  'ip',
  'netblock',
  'dkim',
  'spf',
  'from_domain',
  'url',
  'content',
  'stream',
  'recipient',
  'receiver',
  'connection',
  'none',
  'unknown',
] as const
export type Blame = (typeof blames)[number]

/** What the sender should do next. */
export const bounceActions = [
  'none',
  'retry',
  'retry_later',
  'slow_down',
  'fewer_connections',
  'new_connection',
  'close_lane',
  'pause_stream',
  'suppress',
  'stop',
] as const
export type BounceAction = (typeof bounceActions)[number]

export interface Verdict {
  readonly class: BounceClass
  readonly blame: Blame
  /** Put this address on the suppression list now. */
  readonly hard: boolean
  /** This attempt is over for the recipient (5yz, or action failed). */
  readonly permanent: boolean
  readonly action: BounceAction
  /** How long the reply asks to wait, or its provider's documentation says, in seconds; absent where neither does. */
  readonly wait_s?: number
  /** Id of the rule that decided. */
  readonly rule: string
}
