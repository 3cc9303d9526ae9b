// Guard `hooks`: no fault in a hook of ours lets a mail go where it should not, or ends the process. Haraka goes on
// as if a hook that throws had agreed (send_email: the mail is sent), and a hook that rejects kills the process, and
// the same mail kills it again after the restart. Here a fault in a Sluice plugin answers for the hook: hold the mail,
// refuse the message for now, or, where the hook only listens, go on. Sluice plugins have no time-out, because Haraka's
// would send the mail; a hook that has not answered in `hook_timeout_s` is a fault like any other.

import { types } from 'node:util'

import { messageOf } from '@sluice/core/errors'

import type { HarakaHost } from '../host'
import { reply, type HarakaPlugin, type Next } from '../haraka'
import { expectShape } from './shape'

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

export const installHooks = (haraka: HarakaPlugin, host: HarakaHost): void => {
  const registry = haraka.haraka_require('plugins')
  expectShape(registry, {
    name: 'run_next_hook',
    mentions: ['object.current_hook = item', 'object.current_hook = null'],
  })
  const { registered_plugins: plugins, registered_hooks: hooks } = registry
  const waiting = new Waiting(() => host.configuration.current.sluice.host.hook_timeout_s * 1000)
  // All plugins are loaded in one go; when this runs, every hook is there and no mail is.
  process.nextTick(() => {
    for (const [hook, entries] of Object.entries(hooks)) {
      for (const { plugin: name, method } of entries) {
        const plugin = plugins[name]
        if (plugin && name.startsWith('sluice-')) guard(plugin, method, answers[hook] ?? goOn, waiting)
      }
    }
  })
}

/** Also those of local plugins, which Haraka runs in a realm of their own. */
const { isPromise } = types

const guarded = new WeakSet<object>()

const guard = (
  plugin: HarakaPlugin & Record<string, unknown>,
  method: string,
  answer: Answer,
  waiting: Waiting,
): void => {
  const original = plugin[method]
  if (typeof original !== 'function' || guarded.has(original)) return
  const safe: Hook = function (next, ...rest) {
    const fail = (thrown: unknown): void => {
      plugin.logerror(`SLUICE_INTERNAL: ${method}: ${thrown instanceof Error ? thrown.stack : messageOf(thrown)}`)
      next(...answer)
    }
    const wait = new Wait(rest[0], fail)
    const answered: Next = (...given) => {
      wait.over()
      next(...given)
    }
    try {
      const result: unknown = (original as Hook).call(this, answered, ...rest)
      if (isPromise(result)) result.catch(fail)
    } catch (thrown) {
      fail(thrown)
    }
    waiting.watch(wait)
  }
  guarded.add(safe)
  Object.assign(plugin, { [method]: safe })
}

/** What hooks are run for (plugins.js): a mail or a connection; it says which hook it waits for. */
interface Subject {
  readonly current_hook?: unknown
}

/** A hook that has been called. Once it has answered it leads nowhere, so that no list keeps a mail in memory. */
class Wait {
  readonly since = Date.now()
  private hook: unknown

  constructor(
    private subject: unknown,
    private fail: ((thrown: unknown) => void) | undefined,
  ) {
    this.hook = hookOf(subject)
  }

  /** Whether the subject still waits for this very hook. */
  get pending(): boolean {
    return Boolean(this.hook) && hookOf(this.subject) === this.hook
  }

  over(): void {
    this.subject = undefined
    this.hook = undefined
    this.fail = undefined
  }

  expire(afterMs: number): void {
    this.fail?.(new Error(`no answer in ${afterMs / 1000} s`))
    this.over()
  }
}

const hookOf = (subject: unknown): unknown =>
  typeof subject === 'object' ? (subject as Subject | null)?.current_hook : undefined

const lookEveryMs = 1000

/** Hooks that have been called and have not answered; a mail that was parked waits for none. */
class Waiting {
  private waits: Wait[] = []
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly patienceMs: () => number) {}

  watch(wait: Wait): void {
    if (!wait.pending) return
    this.waits.push(wait)
    this.timer ??= setInterval(() => this.look(), lookEveryMs).unref()
  }

  private look(): void {
    const patienceMs = this.patienceMs()
    const late = Date.now() - patienceMs
    const pending = this.waits.filter((one) => one.pending)
    // Whoever is told goes on at once, and may wait for the next hook.
    this.waits = pending.filter(({ since }) => since > late)
    for (const one of pending) if (one.since <= late) one.expire(patienceMs)
    if (this.waits.length > 0) return
    clearInterval(this.timer)
    this.timer = undefined
  }
}
