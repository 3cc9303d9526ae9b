// Guard `retry_delay`: only a number of seconds delays a mail. A plugin that times out in the deferred hook, or answers
// DENYSOFT there or DELAY in send_email with anything else, makes Haraka put NaN into its timer queue, and from then on
// every deferral in the process bounces. Here such an answer means: the usual delay.

import { reply, type HarakaItem, type HarakaPlugin } from '../haraka'
import { expectShape } from './shape'

/** Seconds; where even the usual delay is none. */
const lastResort = 300

export const installRetryDelay = (haraka: HarakaPlugin): void => {
  const methods = haraka.haraka_require('outbound').HMailItem.prototype
  expectShape(methods, { name: 'deferred_respond', mentions: ['parseInt(msg, 10) * 1000', 'params?.delay'] })

  expectShape(methods, { name: 'send_email_respond', mentions: ['delay_seconds * 1000', 'temp_fail_queue.add('] })

  const { deferred_respond: respond, send_email_respond: admit } = methods
  methods.send_email_respond = function (this: HarakaItem, code, seconds) {
    // As Haraka multiplies it: a number in quotes is one.
    const wanted = code === reply.delay && !isDelay(Number(seconds)) ? lastResort : seconds
    if (wanted !== seconds)
      this.logwarn(`send_email: a plugin asked for a delay of ${String(seconds)}: ${lastResort} s`)
    admit.call(this, code, wanted)
  }
  methods.deferred_respond = function (this: HarakaItem, code, message, params) {
    const usual = { ...params, delay: isDelay(params.delay) ? params.delay : lastResort }
    if (code !== reply.denysoft || isDelay(Number.parseInt(String(message), 10))) {
      return respond.call(this, code, message, usual)
    }
    this.logwarn(`deferred: a plugin asked for a delay of ${String(message)}; the usual ${usual.delay} s it is`)
    return respond.call(this, reply.cont, undefined, usual)
  }
}

const isDelay = (seconds: unknown): seconds is number =>
  typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 0
