// Takes a mail out of Haraka's delivery queue in the middle of its send_email hook, and puts it back, or ends it.
// DELAY polls (at least once a second, for every waiting mail); a parked mail costs nothing until it is woken. Its
// queue file is untouched, so a crash or a restart loads it again. It relies on how Haraka runs hooks and frees slots,
// which is looked at when the process starts: who needs parking must not begin without it.

import { expectShape } from './guard/shape'
import type { HarakaItem, HarakaPlugin, Outbound } from './haraka'

/** @throws SluiceError SLUICE_HOST_UNKNOWN where Haraka is not the one this knows */
export const expectParking = (haraka: HarakaPlugin): void => {
  const { HMailItem, delivery_queue: deliveries } = haraka.haraka_require('outbound')
  const plugins = haraka.haraka_require('plugins')
  const mentions = ['item.push(cancel)', 'object.current_hook = item', 'if (cancelled) return']
  expectShape(plugins, { name: 'run_next_hook', mentions })
  expectShape(plugins, { name: 'run_hooks', mentions: ['object.hooks_to_run = []', 'object.current_hook[2]()'] })
  expectShape(HMailItem.prototype, { name: 'discard', mentions: ['this.refcount--', 'this.next_cb()'] })
  expectShape(deliveries, { name: '_process', mentions: ['this.running', 'this.tasks.shift()'] })
}

/** Cancels the running hook (its time-out and its next()) and gives the delivery slot back. */
export const park = (hmail: HarakaItem): void => {
  cancelHook(hmail)
  // next_cb frees one slot each time it is called: it must never be called twice for one.
  const release = hmail.next_cb
  hmail.next_cb = () => undefined
  release()
}

/** Ends a mail that nobody is to get: its queue file goes, its delivery slot is given back. */
export const finish = (hmail: HarakaItem): void => {
  cancelHook(hmail)
  hmail.discard()
}

const cancelHook = (hmail: HarakaItem): void => {
  hmail.current_hook?.[2]()
  hmail.current_hook = null
  hmail.hooks_to_run = []
}

/** Puts the mail at the end of the delivery queue; all send_email hooks run again for it. */
export const wake = (outbound: Outbound, hmail: HarakaItem): void => outbound.delivery_queue.push(hmail)
