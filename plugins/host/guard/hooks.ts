// Guard `hooks`: no fault in a hook of ours lets a mail go where it should not, or ends the process. Haraka goes on
// as if a hook that throws had agreed (send_email: the mail is sent), and a hook that rejects kills the process, and
// the same mail kills it again after the restart. Here a fault in a Sluice plugin answers for the hook: hold the mail,
// refuse the message for now, or, where the hook only listens, go on.

import { types } from 'node:util'

import { messageOf } from '@sluice/core/errors'

import { reply, type HarakaPlugin, type Next } from '../haraka'

type Hook = (this: unknown, next: Next, ...rest: unknown[]) => unknown

/** Seconds a mail waits whose send_email hook failed. */
const holdFor = 60

type Answer = readonly [code?: number, message?: unknown]

const later: Answer = [reply.denysoft, 'Cannot be accepted now, try again later']
const goOn: Answer = []

const answers: Readonly<Record<string, Answer>> = {
  send_email: [reply.delay, holdFor],
  get_mx: [reply.denysoft, 'internal error'],
  mail: later,
  rcpt: later,
  data: later,
  data_post: later,
  queue: later,
  queue_outbound: later,
  pre_send_trans_email: later,
}

export const installHooks = (haraka: HarakaPlugin): void => {
  const { registered_plugins: plugins, registered_hooks: hooks } = haraka.haraka_require('plugins')
  // All plugins are loaded in one go; when this runs, every hook is there and no mail is.
  process.nextTick(() => {
    for (const [hook, entries] of Object.entries(hooks)) {
      for (const { plugin: name, method } of entries) {
        const plugin = plugins[name]
        if (plugin && name.startsWith('sluice-')) guard(plugin, method, answers[hook] ?? goOn)
      }
    }
  })
}

/** Also those of local plugins, which Haraka runs in a realm of their own. */
const { isPromise } = types

const guarded = new WeakSet<object>()

const guard = (plugin: HarakaPlugin & Record<string, unknown>, method: string, answer: Answer): void => {
  const original = plugin[method]
  if (typeof original !== 'function' || guarded.has(original)) return
  const safe: Hook = function (next, ...rest) {
    const fail = (thrown: unknown): void => {
      plugin.logerror(`SLUICE_INTERNAL: ${method}: ${thrown instanceof Error ? thrown.stack : messageOf(thrown)}`)
      next(...answer)
    }
    try {
      const result: unknown = (original as Hook).call(this, next, ...rest)
      if (isPromise(result)) result.catch(fail)
    } catch (thrown) {
      fail(thrown)
    }
  }
  guarded.add(safe)
  Object.assign(plugin, { [method]: safe })
}
