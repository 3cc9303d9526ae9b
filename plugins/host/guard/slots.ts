// Guard `slots`: a delivery slot is freed once (outbound/queue.js counts every call of next_cb), a mail is discarded
// once, and a mail that Haraka discards without a word still settles its attempt, so that no lease is lost with it.

import { Attached } from '@sluice/core/transient/attached'
import type { HarakaHost } from '../host'
import type { HarakaItem, HarakaPlugin } from '../haraka'
import { noEvidence } from '../attempt/evidence'
import { expectShape } from './shape'

const held = new Attached<HarakaItem, () => void>()

export const installSlots = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const methods = haraka.haraka_require('outbound').HMailItem.prototype
  expectShape(methods, { name: 'discard', mentions: ['this.refcount--', 'this.next_cb()'] })

  Object.defineProperty(methods, 'next_cb', {
    configurable: true,
    get(this: HarakaItem) {
      return held.get(this)
    },
    set(this: HarakaItem, free: () => void) {
      let freed = false
      held.set(this, () => {
        if (freed) return
        freed = true
        free()
      })
    },
  })

  const { discard } = methods
  methods.discard = function (this: HarakaItem) {
    if (this.refcount <= 0) return
    discard.call(this)
    // Haraka reports the recipients it has split off right after it lets go of the original.
    if (this.refcount === 0 && host.attempts.pendingOf(this).length > 0) setImmediate(() => settleTheRest(host, this))
  }
}

/** Haraka's own client forgets recipients that were neither refused nor accepted with 250 (251 and 252 to RCPT). */
const settleTheRest = (host: HarakaHost, hmail: HarakaItem): void => {
  for (const address of [...host.attempts.pendingOf(hmail)]) {
    hmail.logerror(`${address}: discarded by Haraka without a result`)
    const evidence = { ...noEvidence, lines: ['discarded by Haraka without a result'] }
    host.attempts.result(hmail, { address, kind: 'bounced', evidence })
  }
}
