// All behaviours there are, in the order in which a provider asks them, and the schema of a provider's `behaviour` key.

import { z } from 'zod'

import type { BehaviourKind } from './behaviour'
import { blockList } from './block-list'
import { connectionLimit } from './connection-limit'
import { content } from './content'
import { greylist } from './greylist'
import { messagesPerConnection, recipientsPerMessage, requireTls } from './limits'
import { fullMailboxes, unknownUsers } from './mailbox'
import { connectionRate, messageRate } from './rate'
import { disruptionsByChance, failures } from './trouble'

const kinds = {
  disruptions: disruptionsByChance,
  block_list: blockList,
  connection_limit: connectionLimit,
  connection_rate: connectionRate,
  require_tls: requireTls,
  messages_per_connection: messagesPerConnection,
  failures,
  recipients_per_message: recipientsPerMessage,
  unknown_users: unknownUsers,
  greylist,
  full_mailboxes: fullMailboxes,
  content,
  // last, so that only what everyone else lets pass counts
  message_rate: messageRate,
}

export type BehaviourName = keyof typeof kinds

/** In the order in which they are asked. */
export const catalogue = Object.entries(kinds) as readonly (readonly [BehaviourName, BehaviourKind])[]

/** Every provider has a block list, so that one can be blocked at any time. */
export const behaviourSchema = z.strictObject({
  disruptions: kinds.disruptions.options.optional(),
  block_list: kinds.block_list.options.prefault({}),
  connection_limit: kinds.connection_limit.options.optional(),
  connection_rate: kinds.connection_rate.options.optional(),
  require_tls: kinds.require_tls.options.optional(),
  messages_per_connection: kinds.messages_per_connection.options.optional(),
  failures: kinds.failures.options.optional(),
  recipients_per_message: kinds.recipients_per_message.options.optional(),
  unknown_users: kinds.unknown_users.options.optional(),
  greylist: kinds.greylist.options.optional(),
  full_mailboxes: kinds.full_mailboxes.options.optional(),
  content: kinds.content.options.optional(),
  message_rate: kinds.message_rate.options.optional(),
})
export type BehaviourOptions = z.output<typeof behaviourSchema>
