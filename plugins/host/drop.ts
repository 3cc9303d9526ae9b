// Ends a parked mail on an operator's word: it is not delivered and not tried again. Its queue file goes, at once or,
// where the sender is to be told, as soon as the bounce message is in the queue.

import { rm } from 'node:fs/promises'

import { wipeNotes } from './attempt/evidence'
import type { DropOrder } from './contract'
import type { HarakaItem } from './haraka'

/** RFC 3463: a status of the mail system here, of no other kind; nobody was asked. */
const status = '5.3.0'

export const dropParked = async (hmail: HarakaItem, { bounce, reason }: DropOrder): Promise<void> => {
  if (!bounce) {
    hmail.discard()
    // Haraka removes the file too, and tells nobody when.
    await rm(hmail.path, { force: true })
    return
  }
  // What Haraka noted of earlier attempts must not be told as the reason for this one.
  wipeNotes(hmail)
  for (const recipient of hmail.todo.rcpt_to) {
    recipient.dsn_action = 'failed'
    recipient.dsn_status = status
    recipient.dsn_code = 550
    recipient.dsn_msg = reason
    recipient.reason = reason
  }
  hmail.bounce(reason, { bounce_recips: hmail.todo.rcpt_to })
}
