// Guard `retry`: a refused mail is tried again when whoever understands the refusal says so (`host.scheduleRetry`).
// Haraka has one list of intervals for everybody, the length of which is also the end of the mail. Nothing else of
// Haraka's way changes: the hook `deferred` runs, the queue file is renamed with the time and the number of attempts
// (so a restart keeps the schedule), and the end is Haraka's bounce message.

import type { FailureDetails, HarakaItem, HarakaPlugin, HarakaRecipient } from '../haraka'
import type { RetryPlan } from '../contract'
import { refusedRecipients } from '../attempt/failure'
import type { HarakaHost } from '../host'
import { expectShape } from './shape'

export const installRetry = (haraka: HarakaPlugin, { retries, attempts }: HarakaHost): void => {
  const plugins = haraka.haraka_require('plugins')
  const methods = haraka.haraka_require('outbound').HMailItem.prototype
  expectShape(methods, {
    name: 'temp_fail',
    mentions: ['this.num_failures++', "run_hooks('deferred', this, { delay, err, ...(extra || {}) })"],
  })
  expectShape(methods, {
    name: 'deferred_respond',
    mentions: ['params?.delay * 1000', 'next_attempt = Date.now() + delay', 'attempts = this.num_failures'],
  })
  expectShape(methods, { name: 'bounce', mentions: ['this._bounce(err, opts)'] })
  expectShape(plugins, { name: 'run_hooks', mentions: ['object.hooks_to_run'] })

  const { temp_fail: deferByHaraka, bounce: bounceByHaraka } = methods

  const planOf = (
    hmail: HarakaItem,
    kind: 'deferred' | 'bounced',
    said: string,
    recipients: readonly HarakaRecipient[] | undefined,
    mx: FailureDetails['mx'],
  ): RetryPlan | undefined => {
    // A queue file that could not be read has no todo: that is Haraka's.
    if (!(hmail.todo as HarakaItem['todo'] | undefined)) return undefined
    const failure = { recipients: recipients ?? hmail.todo.rcpt_to, mx, said }
    return retries.planOf(hmail, kind, refusedRecipients(attempts, hmail, failure))
  }

  const defer = (hmail: HarakaItem, at: number, err: string, details: FailureDetails): void => {
    hmail.num_failures++
    plugins.run_hooks('deferred', hmail, { delay: Math.max(0, at - Date.now()) / 1000, err, ...details })
  }

  methods.temp_fail = function (this: HarakaItem, why, details) {
    const plan = planOf(this, 'deferred', why, details?.fail_recips, details?.mx)
    if (!plan) deferByHaraka.call(this, why, details)
    else if (plan.kind === 'expire') expire(this, `${plan.says} (${why})`, details ?? {})
    else defer(this, plan.kind === 'now' ? Date.now() : plan.at, why, details ?? {})
  }

  methods.bounce = function (this: HarakaItem, why, details) {
    const over = retries.hasExpired(this)
    const plan = over ? undefined : planOf(this, 'bounced', why, details?.bounce_recips, details?.mx)
    if (plan?.kind === 'now') defer(this, Date.now(), why, asDeferral(details))
    else bounceByHaraka.call(this, why, details)
  }

  const expire = (hmail: HarakaItem, says: string, { mx, fail_recips: recipients }: FailureDetails): void => {
    const { noRoute } = attempts.of(hmail) ?? {}
    for (const recipient of recipients ?? hmail.todo.rcpt_to) {
      // A persistent transient failure stays 4.x.x (RFC 3463 2), with the code of the problem where there was one.
      recipient.dsn_action = 'failed'
      recipient.dsn_status = noRoute?.enhanced ?? recipient.dsn_status ?? '4.4.7'
      if (noRoute) recipient.dsn_msg = noRoute.detail
    }
    retries.expire(hmail)
    bounceByHaraka.call(hmail, says, { ...(mx && { mx }), ...(recipients && { bounce_recips: recipients }) })
  }

  retries.enabled = true
}

const asDeferral = ({ mx, bounce_recips: recipients }: FailureDetails = {}): FailureDetails => ({
  ...(mx && { mx }),
  ...(recipients && { fail_recips: recipients }),
})
