// What follows from a class alone: the coarse blame of the taxonomy, and the fine blame and action of a rule that does
// not say otherwise. One table each; a verdict never carries a hard mark outside `hardClasses`.

import type { Blame, BounceAction, BounceClass } from './verdict'

export const coarseBlames = [
  'recipient',
  'content',
  'reputation',
  'receiver',
  'config',
  'network',
  'none',
  'unknown',
] as const
export type CoarseBlame = (typeof coarseBlames)[number]

interface Meaning {
  readonly coarse: CoarseBlame
  readonly blame: Blame
  /** Suggested action for a 4yz and for a 5yz reply. */
  readonly actions: readonly [temporary: BounceAction, permanent: BounceAction]
  /** The address is gone once the refusal is permanent. */
  readonly hard: boolean
}

const meaning = (
  coarse: CoarseBlame,
  blame: Blame,
  temporary: BounceAction,
  permanent: BounceAction,
  hard = false,
): Meaning => ({ coarse, blame, actions: [temporary, permanent], hard })

export const meanings: Readonly<Record<BounceClass, Meaning>> = {
  invalid_recipient: meaning('recipient', 'recipient', 'retry_later', 'suppress', true),
  inactive_mailbox: meaning('recipient', 'recipient', 'retry_later', 'suppress', true),
  mailbox_full: meaning('recipient', 'recipient', 'retry_later', 'stop'),
  domain_not_found: meaning('recipient', 'recipient', 'retry_later', 'suppress', true),
  no_mx_or_host: meaning('recipient', 'recipient', 'retry_later', 'suppress', true),
  spam_content: meaning('content', 'content', 'retry_later', 'stop'),
  message_too_large: meaning('content', 'content', 'stop', 'stop'),
  ip_blocked: meaning('reputation', 'ip', 'close_lane', 'close_lane'),
  domain_blocked: meaning('reputation', 'from_domain', 'pause_stream', 'pause_stream'),
  rate_limited: meaning('reputation', 'ip', 'slow_down', 'slow_down'),
  greylisted: meaning('receiver', 'receiver', 'retry', 'stop'),
  auth_failure: meaning('config', 'from_domain', 'pause_stream', 'pause_stream'),
  relay_denied: meaning('config', 'receiver', 'stop', 'stop'),
  sender_rejected: meaning('config', 'from_domain', 'retry_later', 'stop'),
  protocol_error: meaning('config', 'connection', 'retry_later', 'stop'),
  tls_failure: meaning('config', 'connection', 'retry_later', 'stop'),
  policy: meaning('receiver', 'receiver', 'retry_later', 'stop'),
  receiver_fault: meaning('receiver', 'receiver', 'retry_later', 'stop'),
  connection_failure: meaning('network', 'connection', 'retry', 'stop'),
  routing_loop: meaning('network', 'receiver', 'stop', 'stop'),
  autoreply: meaning('none', 'none', 'none', 'none'),
  delivered: meaning('none', 'none', 'none', 'none'),
  other: meaning('unknown', 'unknown', 'retry_later', 'stop'),
}

/**
 * The taxonomy's blame party. It follows the class, because the same identity means different things: a DKIM domain
 * that sends too fast has a reputation to lose, a DKIM signature that fails is a matter of configuration.
 */
export const coarseBlame = (bounceClass: BounceClass): CoarseBlame => meanings[bounceClass].coarse
